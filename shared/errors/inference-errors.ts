import { defineErrors } from './error-entry.ts';

/** Errors of runners and of the agent's local inference API. */
export const inferenceErrors = defineErrors({
  model_does_not_load: {
    status: 500,
    retry: 'never',
    meaning: 'ONNX Runtime refuses the model file, on this machine and execution provider.',
    fix: 'Read the reason in the message; publish a version whose model loads here, or one with a variant that does.',
  },
  provider_unavailable: {
    status: 500,
    retry: 'never',
    meaning: 'The execution provider is not part of this machine’s ONNX Runtime.',
    fix: 'Add `cpu` to the providers of the variant, or install the provider’s libraries.',
  },
  runner_start_timeout: {
    status: 503,
    retry: 'later',
    meaning: 'A runner did not have its model loaded within the time allowed.',
    fix: 'Look for a busy or swapping machine; a model this large may need a bigger device.',
  },
  runner_crashed: {
    status: 503,
    retry: 'later',
    meaning: 'The process that hosts the model ended while it worked; the agent starts a new one by itself.',
    fix: 'If it repeats, the model aborts or runs out of memory: the last output of the runner is in the agent’s log.',
  },
  runner_out_of_memory: {
    status: 507,
    retry: 'never',
    meaning:
      'Loading the model, or a run of it, needs more memory than its runner may take; nothing else was touched.',
    fix: 'Use a smaller model or smaller requests, or start the agent with a higher --runner-memory-max.',
  },
  memory_short_on_device: {
    status: 503,
    retry: 'later',
    meaning:
      'The version is right on this device, but its runner needs more memory than is free here at the moment.',
    fix: 'Free memory on the device or use a smaller model; the update is tried again.',
  },
  answer_too_large: {
    status: 500,
    retry: 'never',
    meaning: 'The outputs of one answer together have more bytes than an answer may have.',
    fix: 'Send fewer rows in a request, or ask for fewer of the outputs.',
  },
  interface_not_met: {
    status: 500,
    retry: 'never',
    meaning:
      'The model that loads on this device has other inputs or outputs than the version’s interface promises.',
    fix: 'Pack the version anew from this ONNX file; outputs the message names must be of a type that can be read.',
  },
  inference_failed: {
    status: 500,
    retry: 'never',
    meaning: 'ONNX Runtime failed on inputs that fit the model’s declared interface.',
    fix: 'Read the reason in the message; it names the node that failed.',
  },
  inference_timeout: {
    status: 504,
    retry: 'later',
    meaning: 'The answer was not ready within the deadline; a run that hangs is ended with its runner.',
    fix: 'Send smaller requests, or look why the model is slow on this device.',
  },
  overloaded: {
    status: 503,
    retry: 'later',
    meaning: 'More requests wait than may wait.',
    fix: 'Send fewer requests at once and try again shortly.',
  },
  request_timeout: {
    status: 504,
    retry: 'later',
    meaning:
      'The time that the request itself allows had passed, or its client was gone, before the answer was there.',
    fix: 'Allow more time in the parameter `timeout` (microseconds), or leave it away.',
  },
  request_incomplete: {
    status: 408,
    retry: 'later',
    meaning:
      'A request was not complete within the time limit, or arrived more slowly than the local API allows.',
    fix: 'Send the request at once; large tensors in the binary form, or compressed.',
  },
  headers_too_large: {
    status: 431,
    retry: 'never',
    meaning: 'The headers of a request are over their limit.',
    fix: 'Send fewer headers.',
  },
  method_not_allowed: {
    status: 405,
    retry: 'never',
    meaning: 'The path exists, but not with this method.',
    fix: 'Use a method that the header Allow of the answer names.',
  },
  encoding_unsupported: {
    status: 415,
    retry: 'never',
    meaning: 'The body of a request has a Content-Encoding that the server does not decode.',
    fix: 'Send it without Content-Encoding; the local API of an agent also reads gzip and deflate.',
  },
  not_offered: {
    status: 501,
    retry: 'never',
    meaning:
      'Something the protocol knows and this server does not do: shared memory, sequences, loading and unloading by clients, settings of tracing and logging.',
    fix: 'Use the way that the message names.',
  },
  model_not_served: {
    status: 404,
    retry: 'never',
    meaning: 'The device does not serve the model, or not in that version.',
    fix: 'Look at GET /v2/models/<model>, or ask for the model without a version.',
  },
  model_not_ready: {
    status: 503,
    retry: 'later',
    meaning: 'The model’s runner is not up at the moment.',
    fix: 'Try again shortly; if it stays, the agent’s log says why the runner does not start.',
  },
  tensor_invalid: {
    status: 400,
    retry: 'never',
    meaning:
      'The tensors of a request do not fit the model or themselves: name, datatype, shape, count or range.',
    fix: 'Correct the tensor that the message names; GET /v2/models/<model> shows what is wanted.',
  },
  tensor_type_unsupported: {
    status: 501,
    retry: 'never',
    meaning: 'A tensor has a datatype that cannot travel this way.',
    fix: 'Send the tensor as the message says, or export the model with another type.',
  },
  golden_mismatch_on_device: {
    status: 500,
    retry: 'never',
    meaning: 'The version’s golden samples gave other answers on this device than where it was made.',
    fix: 'Compare the value in the message; publish a version (or a variant) that is right on this hardware.',
  },
  objective_missed_on_device: {
    status: 500,
    retry: 'later',
    meaning: 'The version is right on this device, but larger than its own objectives allow.',
    fix: 'Use a smaller model, or publish with other objectives.',
  },
  too_slow_on_device: {
    status: 500,
    retry: 'later',
    meaning:
      'The version is right on this device, but slower than its own objectives allow, or the machine was busy.',
    fix: 'Nothing, if the machine was busy: it is tried three times, ten minutes apart. Else use a smaller model or a faster device, or publish with other objectives.',
  },
  prediction_unknown: {
    status: 404,
    retry: 'never',
    meaning: 'No answer of that id is remembered; only the latest ones are, until the agent restarts.',
    fix: 'Send the label sooner, with the id of the answer it belongs to.',
  },
  label_known: {
    status: 409,
    retry: 'never',
    meaning: 'The answer of that id has its label already; a second one would count twice.',
    fix: 'Send one label for each answer.',
  },
  label_invalid: {
    status: 400,
    retry: 'never',
    meaning: 'The label does not fit the model’s label rule, or the version has none.',
    fix: 'Send a number for a regression, a class for a classification, or publish the version with a label rule.',
  },
  host_refused: {
    status: 403,
    retry: 'never',
    meaning: 'The request names another host than this machine, as one from a web page would.',
    fix: 'Call the API as localhost or 127.0.0.1, and not from a web page.',
  },
});
