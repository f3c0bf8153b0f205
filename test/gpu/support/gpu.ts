import { cudaBackend } from '../../../src/backend/cuda/backend.js'

/** Why tests that need a GPU are skipped; false where there is one. */
export const skip: string | false = await reason()

async function reason(): Promise<string | false> {
  const { usable, detail } = await cudaBackend.availability()
  return usable ? false : `needs a GPU: ${detail}`
}
