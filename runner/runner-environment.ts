/**
 * The environment a runner sees: what a process and ONNX Runtime's providers need, and none of the parent's secrets.
 */
const names = [
  'PATH',
  'HOME',
  'TMPDIR',
  'TEMP',
  'TMP',
  'LANG',
  'SYSTEMROOT',
  'XDG_RUNTIME_DIR',
  'NODE_COMPILE_CACHE',
];
const prefixes = ['ORT_', 'CUDA_', 'NVIDIA_', 'TENSORRT_', 'VK_', 'MESA_', 'LD_LIBRARY_', 'DYLD_', 'OMP_'];

/** Picks those variables, and keeps the allocator from one arena a thread, which grows resident memory. */
export function runnerEnvironment(parent: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(parent).filter(([name]) => {
    const upper = name.toUpperCase();
    return names.includes(upper) || prefixes.some((prefix) => upper.startsWith(prefix));
  });
  return { MALLOC_ARENA_MAX: '2', ...Object.fromEntries(kept) };
}
