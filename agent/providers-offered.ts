/** Execution providers the runner of this program can offer, in ONNX Runtime's lower-case names. */
export const providersOffered: readonly string[] = ['cpu'];
