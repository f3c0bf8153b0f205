/**
 * C structs as this platform's compilers lay them out: each field at a multiple of its own size, the whole a multiple of
 * the largest. Written little-endian, as every platform that Node runs on is.
 */
export type Scalar = 'i32' | 'f32' | 'i64' | 'f64' | 'pointer'
export type Field = Scalar | Struct<Fields> | readonly [Scalar, number]
export type Fields = { readonly [name: string]: Field }

type ValueOf<F> = F extends 'pointer'
  ? bigint
  : F extends Scalar
    ? number
    : F extends Struct<infer Inner>
      ? Values<Inner>
      : F extends readonly ['pointer', number]
        ? readonly bigint[]
        : readonly number[]

/** What is left out is zero, or null. */
export type Values<F extends Fields> = { readonly [Name in keyof F]?: ValueOf<F[Name]> | undefined }

export interface Struct<F extends Fields> {
  readonly fields: F
  readonly bytes: number
  readonly alignment: number
  readonly offsets: { readonly [Name in keyof F]: number }
  /** Writes all of the struct at byte `at`. */
  write(view: DataView, at: number, values: Values<F>): void
}

const SCALAR_BYTES: Readonly<Record<Scalar, number>> = { i32: 4, f32: 4, i64: 8, f64: 8, pointer: 8 }

export function struct<const F extends Fields>(fields: F): Struct<F> {
  const offsets: Record<string, number> = {}
  let end = 0
  let alignment = 1
  for (const [name, field] of Object.entries(fields)) {
    const size = sizeOf(field)
    end = roundUp(end, size.alignment)
    offsets[name] = end
    end += size.bytes
    alignment = Math.max(alignment, size.alignment)
  }
  return {
    fields,
    bytes: roundUp(end, alignment),
    alignment,
    offsets: offsets as Struct<F>['offsets'],
    write(view, at, values) {
      for (const [name, field] of Object.entries(fields)) writeField(view, at + offsets[name]!, field, values[name])
    },
  }
}

function sizeOf(field: Field): { readonly bytes: number; readonly alignment: number } {
  if (typeof field === 'string') return { bytes: SCALAR_BYTES[field], alignment: SCALAR_BYTES[field] }
  if (isArray(field)) return { bytes: SCALAR_BYTES[field[0]] * field[1], alignment: SCALAR_BYTES[field[0]] }
  return field
}

function writeField(view: DataView, at: number, field: Field, value: unknown): void {
  if (typeof field === 'string') writeScalar(view, at, field, value as number | bigint | undefined)
  else if (isArray(field)) {
    const [scalar, count] = field
    const values = (value ?? []) as readonly (number | bigint)[]
    for (let i = 0; i < count; i++) writeScalar(view, at + i * SCALAR_BYTES[scalar], scalar, values[i])
  } else field.write(view, at, (value ?? {}) as object)
}

function writeScalar(view: DataView, at: number, scalar: Scalar, value: number | bigint | undefined): void {
  if (scalar === 'f32') view.setFloat32(at, Number(value ?? 0), true)
  else if (scalar === 'f64') view.setFloat64(at, Number(value ?? 0), true)
  else if (scalar === 'i32') view.setInt32(at, Number(value ?? 0), true)
  else view.setBigInt64(at, BigInt.asIntN(64, BigInt(value ?? 0)), true)
}

function isArray(field: Field): field is readonly [Scalar, number] {
  return Array.isArray(field)
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
