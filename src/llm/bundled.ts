import { fileURLToPath } from 'node:url'

/** The small story writer that comes with the package; commands use it where no model is named. */
export const BUNDLED_MODEL = fileURLToPath(new URL('../../models/warpline-stories', import.meta.url))
