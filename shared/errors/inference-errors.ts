import { defineErrors } from './error-entry.ts';

/** Errors of runners and of the agent's local inference API. */
export const inferenceErrors = defineErrors({
  model_does_not_load: {
    seenIn: ['command', 'device'],
    retry: 'never',
    meaning: 'ONNX Runtime cannot load the model file on this machine with this execution provider.',
    fix: 'Read the reason in the message. Publish a new version with a model or a variant that loads on this device.',
  },
  provider_unavailable: {
    seenIn: ['device'],
    retry: 'never',
    meaning: 'The ONNX Runtime on this machine does not include the execution provider.',
    fix: 'Add "cpu" to "providers" of the variant in model.yaml, and publish that as a new version.',
  },
  runner_start_timeout: {
    seenIn: ['command', 'device'],
    retry: 'later',
    meaning: 'A runner did not load its model within the time limit.',
    fix: 'Check with top whether the machine is busy or swapping. A model this large may need a bigger device.',
  },
  runner_crashed: {
    status: 503,
    retry: 'later',
    meaning: 'The process that runs the model ended during its work. The agent starts a new one.',
    fix: 'If this repeats, the model crashes ONNX Runtime or runs out of memory. The log of the agent ("journalctl -u modelfleet-agent") has the last output of the runner.',
  },
  runner_out_of_memory: {
    status: 507,
    retry: 'never',
    meaning:
      'Loading or running the model needs more memory than its runner may use. Other models were not affected.',
    fix: 'Use a smaller model or smaller requests, or start the agent with a higher --runner-memory-max.',
  },
  memory_short_on_device: {
    seenIn: ['device'],
    retry: 'later',
    meaning:
      'The version gives correct answers on this device, but its runner needs more memory than is free at present.',
    fix: 'Free memory on the device or use a smaller model. The agent tries the update again by itself.',
  },
  answer_too_large: {
    status: 500,
    retry: 'never',
    meaning: 'The outputs of one answer exceed the size limit of an answer.',
    fix: 'Send fewer rows per request, or request fewer outputs.',
  },
  interface_not_met: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      "The model as loaded on this device does not have the inputs and outputs that the version's interface declares.",
    fix: 'Pack this ONNX file again with "modelfleet models pack", and publish it as a new version. Every output that the message names must have a supported type.',
  },
  inference_failed: {
    status: 500,
    retry: 'never',
    meaning: "ONNX Runtime failed on inputs that match the model's declared interface.",
    fix: 'Read the reason in the message, which names the node that failed. Correct the inputs or the model.',
  },
  inference_timeout: {
    status: 504,
    retry: 'later',
    meaning: 'The answer was not ready before the deadline of the agent. The agent ends a runner that hangs.',
    fix: 'Send smaller requests, or start the agent with a longer --infer-deadline. If small requests are late too, check whether the device is busy.',
  },
  overloaded: {
    status: 503,
    retry: 'later',
    meaning: 'The queue of waiting requests is full.',
    fix: 'Send fewer requests at once, and try again shortly.',
  },
  request_timeout: {
    status: 504,
    retry: 'later',
    meaning:
      'The time that the request allows ran out, or the client disconnected, before the answer was ready.',
    fix: 'Allow more time in the parameter "timeout" (microseconds), or omit it.',
  },
  request_incomplete: {
    status: 408,
    retry: 'later',
    meaning: 'A request did not arrive completely within the time limit, or arrived too slowly.',
    fix: 'Send the whole request without pauses. Send large tensors in binary form or compressed.',
  },
  headers_too_large: {
    status: 431,
    retry: 'never',
    meaning: 'The headers of a request exceed their size limit.',
    fix: 'Send fewer or shorter headers.',
  },
  method_not_allowed: {
    status: 405,
    retry: 'never',
    meaning: 'The path exists, but does not support this method.',
    fix: 'Use a method from the Allow header of the answer.',
  },
  encoding_unsupported: {
    status: 415,
    retry: 'never',
    meaning: 'The server cannot decode the Content-Encoding of the request body.',
    fix: 'Send the body without Content-Encoding. The local API of an agent also decodes gzip and deflate.',
  },
  not_offered: {
    status: 501,
    retry: 'never',
    meaning:
      'This server does not implement this part of the protocol: shared memory, sequences, loading and unloading of models by clients, trace and log settings.',
    fix: 'Use the alternative that the message names.',
  },
  model_not_served: {
    status: 404,
    retry: 'never',
    meaning: 'The device does not serve this model, or not in this version.',
    fix: 'Check GET /v2/models/<model>, or send the request without a version.',
  },
  model_not_ready: {
    status: 503,
    retry: 'later',
    meaning: 'The runner of the model is not running at present.',
    fix: 'Try again shortly. If the error persists, the log of the agent ("journalctl -u modelfleet-agent") has the reason why the runner does not start.',
  },
  tensor_invalid: {
    status: 400,
    retry: 'never',
    meaning:
      'A tensor of the request does not match the model, or its name, datatype, shape, count or values contradict each other.',
    fix: 'Correct the tensor that the message names. GET /v2/models/<model> describes the inputs of the model.',
  },
  tensor_type_unsupported: {
    status: 501,
    retry: 'never',
    meaning: 'A tensor has a datatype that this request or answer format cannot carry.',
    fix: 'Send or request the tensor as the message describes, or export the model with another type.',
  },
  golden_mismatch_on_device: {
    seenIn: ['device'],
    retry: 'never',
    meaning:
      'The golden samples of the version gave different answers on this device than where the version was packed.',
    fix: 'Compare the values in the message. Publish a new version with a model or a variant that gives correct answers on this hardware.',
  },
  objective_missed_on_device: {
    seenIn: ['device'],
    retry: 'later',
    meaning:
      'The version gives correct answers on this device, but its runner needs more memory than the publisher allowed it in model.yaml ("memoryBytesMax" under "objectives").',
    fix: 'Publish a new version with a smaller model, or with a higher "memoryBytesMax" if the device can spare the memory.',
  },
  too_slow_on_device: {
    seenIn: ['device'],
    retry: 'later',
    meaning:
      'The version gives correct answers on this device, but more slowly than the publisher demanded in model.yaml ("latencyP95Ms" under "objectives"). The machine may have been busy.',
    fix: 'If the machine was busy, wait: the agent tries the version three times, ten minutes apart. Otherwise publish a new version with a smaller model or a higher "latencyP95Ms", or use a faster device.',
  },
  prediction_unknown: {
    status: 404,
    retry: 'never',
    meaning:
      'The agent stores no answer with this id: it was never given, is of a version without a label rule, had more than 256 rows, or was deleted because it was too old (--predictions-kept) or newer answers needed the space (--predictions-max). A crash of the agent loses the answers of the last second.',
    fix: 'Send the id of the answer that the label belongs to, and send it sooner; or keep more answers with --predictions-max and --predictions-kept. If the version has no label rule, publish a version with one.',
  },
  label_known: {
    status: 409,
    retry: 'never',
    meaning: 'The answer with this id already has a label, which stays. A second label would count twice.',
    fix: 'Send one label for each answer.',
  },
  label_invalid: {
    status: 400,
    retry: 'never',
    meaning:
      "The label does not match the model's label rule, or there is not one for each row of the answer.",
    fix: 'Send a number for a regression or a class for a classification, and for an answer of many rows a list of them.',
  },
  host_refused: {
    status: 403,
    retry: 'never',
    meaning: 'The request names a host other than this machine, as a request from a web page would.',
    fix: 'Call the API as localhost or 127.0.0.1, and not from a web page.',
  },
});
