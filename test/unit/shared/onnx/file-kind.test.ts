import { deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fileKind } from '../../../../shared/onnx/file-kind.ts';
import { readOnnxInterface } from '../../../../shared/onnx/read-model.ts';
import { addModel } from '../../../support/models.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** The start of a ZIP archive with one entry of that name. */
function zip(name: string): Buffer {
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), deflateRawSync(Buffer.from('content'))]);
}

describe('fileKind()', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /^an empty file/],
    [
      'a git-LFS pointer',
      latin1('version https://git-lfs.github.com/spec/v1\noid sha256:abab\nsize 1807522\n'),
      /git-LFS pointer.*git lfs pull/,
    ],
    ['an HTML page', latin1('\n<!DOCTYPE html>\n<html><head><title>404</title>'), /^an HTML page/],
    ['an XML error', latin1('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /^XML text/],
    ['a JSON error', latin1('{"error":"Repository not found"}'), /^JSON text/],
    ['text', latin1('Access denied: sign in\n'), /^text that begins "Access denied: sign in"/],
    [
      'a SavedModel',
      latin1('\x08\x01\x12\x9a\x01\x0a\x10\x22\x05serve2\x062.15.0'),
      /TensorFlow SavedModel.*tf2onnx/,
    ],
    ['a TensorFlow graph', latin1('\x0a\x1f\x0a\x01x\x12\x0bPlaceholder*\x00'), /^a TensorFlow graph/],
    ['a pickle', latin1('\x80\x04\x95\x10\x00\x00\x00'), /^a Python pickle/],
    ['a PyTorch checkpoint', zip('model/data.pkl'), /^a PyTorch checkpoint/],
    ['a Keras archive', zip('model.weights.h5'), /^a Keras archive/],
    ['an archive', zip('model.onnx'), /^a ZIP archive/],
    ['a TFLite model', latin1('\x1c\x00\x00\x00TFL3\x14\x00'), /^a TensorFlow Lite model/],
    ['an ORT model', latin1('\x1c\x00\x00\x00ORTM\x14\x00'), /^a model in ORT format/],
    ['an HDF5 file', latin1('\x89HDF\r\n\x1a\n\x00'), /^an HDF5 file/],
    [
      'safetensors',
      latin1('\x40\x00\x00\x00\x00\x00\x00\x00{"w":{"dtype":"F32","data_offsets":[0,4]}}'),
      /^a safetensors file/,
    ],
    ['gzip', gzipSync(addModel()), /^a gzip archive/],
    ['a GGUF model', latin1('GGUF\x03\x00\x00\x00'), /^a GGUF model/],
    ['a workbook', zip('xl/workbook.xml'), /^an Excel workbook/],
    ['a Parquet file', latin1('PAR1\x15\x04'), /^a Parquet file/],
    ['UTF-16', Buffer.from('Access denied\n', 'utf16le'), /^UTF-16 text/],
    ['an array', latin1('\x93NUMPY\x01\x00'), /^a NumPy array/],
  ])('says what %s is, and so does reading it as a model', (_, bytes, kind) => {
    expect(fileKind(bytes)).toMatch(kind);
    expect(() => readOnnxInterface(bytes)).toThrow(
      expect.objectContaining({
        code: 'model_file_invalid',
        message: expect.stringContaining(`Cannot read the ONNX model: it is ${fileKind(bytes)}`),
      }),
    );
  });

  it('says nothing of bytes that say nothing, so that the decoder speaks', () => {
    expect(fileKind(addModel())).toBeUndefined();
    expect(() => readOnnxInterface(addModel().subarray(0, 60))).toThrow(/damaged or cut short/);
  });
});
