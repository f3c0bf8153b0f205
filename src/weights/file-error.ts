import { WarplineError } from '../errors.js'

const REASONS: Record<string, string> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links form a loop',
  EMFILE: 'too many files are open; raise the limit (ulimit -n)',
  EROFS: 'the file system is read-only',
  EIO: 'the disk reported an error',
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function reason(error: unknown): string {
  return REASONS[errorCode(error) ?? ''] ?? (error instanceof Error ? error.message : String(error))
}

/** Whether a file-system call failed because nothing has that name. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** What a failed file-system call that read `path` means to the user: `file-missing` or `file-unreadable`. */
export function readError(path: string, error: unknown): WarplineError {
  if (error instanceof WarplineError) return error
  const code = isMissing(error) ? 'file-missing' : 'file-unreadable'
  return new WarplineError(code, `cannot read ${path}: ${reason(error)}`, { cause: error })
}

/** What a failed file-system call that wrote `path` means to the user: `disk-full` or `file-unwritable`. */
export function writeError(path: string, error: unknown): WarplineError {
  if (error instanceof WarplineError) return error
  const code = errorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new WarplineError('disk-full', `no space left for ${path}; free some and run this again`, { cause: error })
  }
  return new WarplineError('file-unwritable', `cannot write ${path}: ${reason(error)}`, { cause: error })
}
