/**
 * Every code a WarplineError may carry, and what to do about it. Codes are stable: programs switch on them.
 * docs/errors.md is made from this table.
 */
export const ERROR_CODES = {
  // Requests
  'option-unknown': 'Correct the option’s name; the message suggests the nearest one.',
  'option-invalid': 'Give the option a value of the kind that the message asks for.',
  'option-unsupported': 'Leave the option out, or use the value that the message offers.',
  'parameter-invalid': 'Choose a value in the range that the message names.',
  'too-many-choices': 'Ask for fewer samples or beams, or load the model with a larger maxSequences.',
  'prompt-empty': 'Give at least one token; texts of models without a BOS token must not be empty.',
  'prompt-invalid': 'Give a text of valid Unicode, or an array of token ids.',
  'token-out-of-range': 'Use token ids below the model’s vocabulary.',
  'context-too-long': 'Shorten the prompt, or pass truncate: ‘left’.',
  'cache-too-small':
    'Give the K/V cache more memory (cacheBytes), shorten the request, or choose a smaller dtype or kvDtype.',
  'soft-prompt-invalid': 'Give rows of finite numbers, each as wide as the token embedding.',
  'stop-string-empty': 'Leave empty stop texts out.',
  'text-too-long': 'Cut the text into smaller pieces.',
  'chat-invalid': 'Give messages with a role and a content, as OpenAI’s API writes them.',
  'chat-template-missing': 'Use a chat model, or write the prompt yourself and call generate.',
  'chat-template-failed':
    'The checkpoint’s chat template refuses this conversation, or is broken; the message says where.',
  'logits-not-finite': 'The model computed NaN or infinity: check the checkpoint, or use a wider dtype.',
  'nothing-allowed': 'Bans, biases and minimum length leave no token to choose; relax one of them.',
  'request-duplicate': 'Give each request its own id.',
  cancelled: 'The caller’s AbortSignal ended the work.',
  // Loading
  'model-not-found': 'Check the folder or the name on the hub.',
  'model-unsupported': 'Use a model of one of the families that the message lists.',
  'model-closed': 'Load the model again; this one was closed.',
  'device-unavailable': 'Use one of the devices that the message lists; `warpline doctor` says more.',
  'dtype-unsupported': 'Use one of the storage types that the message lists.',
  'vocabulary-mismatch': 'Use the tokenizer that the model was trained with.',
  'out-of-memory': 'Free memory, or choose a smaller model, dtype, cache or batch.',
  'platform-unsupported': 'Use a machine of the kind that the message names.',
  'cpu-library-missing':
    'Reinstall with optional dependencies, or install a C++ compiler and build the native library; until then the reference device runs.',
  'cuda-unavailable':
    'Install NVIDIA’s driver (and, where kernels must be compiled, NVRTC), or use another device; `warpline doctor` lists what was found.',
  'cuda-failed':
    'A call to the CUDA driver failed; the message names it. Update the driver, or report it with the message.',
  'kernels-missing':
    'Install the package of compiled kernels, build them with nvcc (npm run build:cuda), or install NVRTC.',
  'cpu-library-invalid': 'Remove the native library that the message names, and build or install it again.',
  'cpu-level-unsupported': 'Unset WARPLINE_CPU, or name a level that this machine can run.',
  'threads-unavailable': 'Ask for fewer threads, or raise the system’s limit.',
  // Serving
  'address-unavailable': 'Choose another host or port, or end the program that listens there.',
  'api-key-invalid': 'Give keys of printable characters without spaces, one a line in a file.',
  'engine-crashed': 'The engine failed and is started again; send the request again.',
  'engine-restarting': 'The engine is being started again after a failure; wait a moment.',
  // Files
  'file-missing': 'Check the path.',
  'file-unreadable': 'Check the path and its permissions.',
  'file-invalid': 'Give the file the form that the message describes.',
  'file-unwritable': 'Check the folder and its permissions.',
  'disk-full': 'Free some disk space.',
  'config-missing': 'Give a folder with a config.json, as Hugging Face lays models out.',
  'config-invalid': 'Repair the field of config.json that the message names.',
  'config-unsupported':
    'This field of config.json changes the mathematics in a way that is not supported; use another model.',
  'generation-config-invalid': 'Repair the field of generation_config.json that the message names.',
  'checkpoint-corrupt': 'Download the file again: it is damaged, or not a safetensors file.',
  'checkpoint-changed': 'The file changed while it was read; load again when nothing writes to it.',
  'checkpoint-closed': 'A defect of the caller: the checkpoint was read after it was closed.',
  'checkpoint-incomplete': 'Download the missing files that the message lists.',
  'checkpoint-ambiguous': 'Leave one set of weights in the folder.',
  'checkpoint-pickled': 'Convert to safetensors: pickled checkpoints execute code when they are read.',
  'checkpoint-dtype-unsupported': 'Convert the tensor to F32, F16 or BF16.',
  'tensor-missing': 'The checkpoint lacks a tensor that its family needs; it may belong to another architecture.',
  'tensor-invalid': 'A defect of the caller: the tensor to write contradicts itself.',
  'tensor-range-invalid': 'A defect of the caller: the range lies outside the tensor.',
  'tensor-too-large': 'Read the tensor in ranges.',
  'weight-missing': 'The checkpoint lacks a tensor that its family needs; it may belong to another architecture.',
  'weight-shape': 'The checkpoint’s tensor does not fit its config.json; they belong to different models.',
  'tokenizer-missing': 'Give and take token ids, or add the model’s tokenizer.json.',
  'tokenizer-invalid': 'Download the tokenizer’s files again: they are damaged.',
  'tokenizer-unreadable': 'Check the tokenizer’s files and their permissions.',
  'tokenizer-unsupported': 'This kind of tokenizer is not supported; the message says which part.',
  'token-id-invalid': 'Give token ids that are whole numbers from 0.',
  // The hub
  'hub-name-invalid': 'Write the name as owner/model.',
  'hub-revision-invalid': 'Name a branch, a tag or a commit.',
  'hub-endpoint-invalid': 'Set HF_ENDPOINT to an http or https address.',
  'hub-token-invalid': 'Set HF_TOKEN to a token of the hub, without spaces.',
  'hub-offline': 'Go online, or pull the model first where there is a network.',
  'hub-not-found': 'Check the name and the revision; private models need HF_TOKEN.',
  'hub-unauthorized': 'Set HF_TOKEN to a token that may read this model, and accept its terms on the hub.',
  'hub-rate-limited': 'Wait, or set HF_TOKEN: the hub allows more to known users.',
  'hub-server-error': 'Try again later: the hub has a problem.',
  'hub-unreachable': 'Check the network.',
  'hub-bad-answer': 'The server’s answer is not the hub’s; check HF_ENDPOINT and proxies.',
  'hub-unsafe-path': 'The repository names a file outside of its folder; do not use it.',
  'hub-hash-mismatch': 'Pull again: the file arrived damaged and was removed.',
  // Command line
  usage: 'Correct the command; --help shows its flags.',
  // Defects: please report these
  'program-invalid': 'A defect of Warpline: a program contradicts itself.',
  'step-invalid': 'A defect of Warpline: a step contradicts its program.',
  'storage-unsupported': 'A defect of Warpline: a backend was given a storage type that it did not offer.',
  'executor-failed': 'A step could not be computed; the message says why. The engine goes on with new requests.',
  'executor-closed': 'A defect of the caller: the executor was used after it was closed.',
  'engine-closed': 'Load the model again; it was closed while the request ran.',
  'engine-defect': 'A defect of Warpline: the engine’s accounts do not add up.',
  'group-closed': 'A rank of the group ended; start all ranks again.',
  'group-mismatch':
    'The ranks of a group call different collectives; start all of them with the same model and options.',
} as const satisfies Record<string, string>

export type ErrorCode = keyof typeof ERROR_CODES
