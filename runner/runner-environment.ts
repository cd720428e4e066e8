/**
 * The environment a runner sees: what a process and ONNX Runtime's providers need, and none of the parent's secrets.
 */
const names = ['PATH', 'LANG', 'SYSTEMROOT', 'XDG_RUNTIME_DIR', 'NODE_COMPILE_CACHE'];
/** Folders that drivers of accelerators keep compiled kernels in. A runner on the CPU has nothing to write. */
const folders = ['HOME', 'TMPDIR', 'TEMP', 'TMP', 'XDG_CACHE_HOME'];
const prefixes = ['ORT_', 'CUDA_', 'NVIDIA_', 'TENSORRT_', 'VK_', 'MESA_', 'LD_LIBRARY_', 'DYLD_', 'OMP_'];

/** Not a folder: nothing can be made in it. */
const NOWHERE = '/dev/null';

/** Picks those variables, and keeps the allocator from one arena a thread, which grows resident memory. */
export function runnerEnvironment(parent: NodeJS.ProcessEnv, provider: string): NodeJS.ProcessEnv {
  const kept = Object.entries(parent).filter(([name]) => {
    const upper = name.toUpperCase();
    const isKept = names.includes(upper) || (provider !== 'cpu' && folders.includes(upper));
    return isKept || prefixes.some((prefix) => upper.startsWith(prefix));
  });
  const nowhere = Object.fromEntries(folders.map((name) => [name, NOWHERE]));
  return {
    MALLOC_ARENA_MAX: '2',
    ...(provider === 'cpu' && nowhere),
    ...Object.fromEntries(kept),
  };
}
