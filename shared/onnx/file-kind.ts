/**
 * What a file is that is no ONNX model. People put other exports, pointers and error pages in its place; the name of
 * what they have tells them more than where its bytes stop being protobuf.
 */

/** How much of a file is looked at. */
const HEAD_BYTES = 64 * 1024;
/** Where the format of tar archives is named. */
const TAR_MAGIC_AT = 257;
/** Byte order marks. */
const UTF16_MARKS = [
  [0xff, 0xfe],
  [0xfe, 0xff],
] as const;
const UTF16_PROBE_BYTES = 512;

const convertKeras = 'convert it with tf2onnx ("python -m tf2onnx.convert")';

/** First bytes (latin-1) that say what a file is. */
const MAGIC: readonly (readonly [start: string, kind: string])[] = [
  [
    'version https://git-lfs.github.com/spec',
    'a git-LFS pointer, not the file it stands for; run "git lfs pull"',
  ],
  ['\x89HDF\r\n\x1a\n', `an HDF5 file (Keras); ${convertKeras}`],
  ['\x1f\x8b', 'a gzip archive; unpack it'],
  ['BZh', 'a bzip2 archive; unpack it'],
  ['\xfd7zXZ\x00', 'an xz archive; unpack it'],
  ['\x28\xb5\x2f\xfd', 'a Zstandard archive; unpack it'],
  ['7z\xbc\xaf', 'a 7-Zip archive; unpack it'],
  ['\x93NUMPY', 'a NumPy array'],
  ['PAR1', 'a Parquet file'],
  ['ARROW1', 'an Arrow file'],
  ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'an Excel workbook'],
  ['GGUF', 'a GGUF model (llama.cpp), which has no ONNX form here'],
  ['ptrt', 'a TensorRT engine; pack the ONNX file it was built from'],
  ['ftrt', 'a TensorRT engine; pack the ONNX file it was built from'],
  ['CBM1', 'a CatBoost model; save it with format="onnx"'],
  ['binf', 'an XGBoost model; convert it with onnxmltools'],
  ['tree\nversion=', 'a LightGBM model; convert it with onnxmltools'],
  ['\x7fELF', 'a program or library'],
  ['%PDF', 'a PDF document'],
  ['\x89PNG', 'a picture'],
  ['\xff\xd8\xff', 'a picture'],
];

/** What stands where a file should be, whatever its format: a pointer to it, or a page that says it is not there. */
export function standInKind(bytes: Uint8Array): string | undefined {
  const kind = fileKind(bytes.subarray(0, HEAD_BYTES));
  return kind?.startsWith('a git-LFS') || kind?.startsWith('an HTML page') ? kind : undefined;
}

/** What a file is that should be UTF-8 text and holds what no text does; undefined for all others. */
export function binaryKind(bytes: Uint8Array): string | undefined {
  const isMarked = UTF16_MARKS.some(([high, low]) => bytes[0] === high && bytes[1] === low);
  return isMarked || holdsControls(bytes) ? fileKind(bytes) : undefined;
}

/** Names the kind of file; undefined for bytes that say nothing. */
export function fileKind(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength === 0) return 'an empty file';
  const head = latin1(bytes.subarray(0, HEAD_BYTES));
  const magic = MAGIC.find(([start]) => head.startsWith(start));
  if (magic) return magic[1];
  if (head.startsWith('PK\x03\x04')) return zipKind(bytes, head);
  if (bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5) {
    return 'a Python pickle (PyTorch, scikit-learn, joblib); export the model itself with torch.onnx.export or skl2onnx';
  }
  if (head.startsWith('TFL3', 4)) return 'a TensorFlow Lite model; convert it with tf2onnx ("--tflite")';
  if (head.startsWith('ORTM', 4)) return 'a model in ORT format; pack the ONNX file it was made from';
  if (head.startsWith('ustar', TAR_MAGIC_AT)) return 'a tar archive; unpack it';
  if (/^.{8}\{\s*"/s.test(head) && /"data_offsets"|"__metadata__"/.test(head)) {
    return 'a safetensors file, which contains weights but no graph; export the model with torch.onnx.export';
  }
  if (isUtf16(bytes)) return 'UTF-16 text; save it as UTF-8';
  return textKind(bytes, head) ?? tensorFlowKind(head);
}

/** By its mark, or where most of what it begins with is ASCII once it is read so; Windows writes both. */
function isUtf16(bytes: Uint8Array): boolean {
  if (UTF16_MARKS.some(([high, low]) => bytes[0] === high && bytes[1] === low)) return true;
  const start = bytes.subarray(0, UTF16_PROBE_BYTES);
  return ['utf-16le', 'utf-16be'].some((encoding) => {
    const text = new TextDecoder(encoding).decode(start.subarray(0, start.byteLength & ~1));
    const ascii = text.match(/[\t\r\n -~]/g)?.length ?? 0;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what no text holds.
    return ascii > text.length / 2 && !/[\x00-\x08\x0e-\x1f\ufffd]/.test(text);
  });
}

/** Where the file names of an archive stand: at each entry and, together, at the end. */
function zipKind(bytes: Uint8Array, head: string): string {
  const all = head + latin1(bytes.subarray(-HEAD_BYTES));
  if (/data\.pkl|constants\.pkl/.test(all)) {
    return 'a PyTorch checkpoint or TorchScript archive; export the model with torch.onnx.export';
  }
  if (all.includes('model.weights.h5')) return `a Keras archive; ${convertKeras}`;
  if (all.includes('.npy')) return 'an archive of NumPy arrays; save the array that you need with numpy.save';
  if (all.includes('xl/workbook')) return 'an Excel workbook';
  if (all.includes('opendocument.spreadsheet')) return 'an OpenDocument spreadsheet';
  return 'a ZIP archive; unpack it';
}

/** Control characters other than tabs and line breaks: not what people call text. */
function holdsControls(bytes: Uint8Array): boolean {
  return bytes.subarray(0, HEAD_BYTES).some((byte) => byte < 9 || (byte > 13 && byte < 32));
}

function textKind(bytes: Uint8Array, head: string): string | undefined {
  if (holdsControls(bytes)) return undefined;
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^(<!doctype html|<html|<head|<body)/i.test(text)) {
    return 'an HTML page, probably what a server answered in place of the file';
  }
  if (text.startsWith('<')) return 'XML text (a server’s error, OpenVINO, PMML)';
  if (/^[[{]/.test(text)) return 'JSON text (a server’s error, or a model in a format of its own)';
  const [line = ''] = Buffer.from(bytes.subarray(0, 200)).toString('utf8').trim().split('\n');
  return `text that begins ${JSON.stringify(line.slice(0, 60))}`;
}

/** TensorFlow's graphs are protobuf like ONNX's, under other numbers. */
function tensorFlowKind(head: string): string | undefined {
  if (head.startsWith('\x08\x01\x12') && /serve|saved_model|tensorflow/i.test(head)) {
    return 'a TensorFlow SavedModel; convert its folder with tf2onnx ("--saved-model")';
  }
  if (head.startsWith('\x0a') && /Placeholder|\bConst\b|NoOp/.test(head)) {
    return 'a TensorFlow graph; convert it with tf2onnx ("--graphdef")';
  }
  return undefined;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
