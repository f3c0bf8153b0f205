/** Fields of a protocol buffers message, encoded; enough of the wire format for ONNX (protobuf.dev/programming-guides/encoding). */
export type Field = Uint8Array

const VARINT = 0
const BYTES = 2
const FIXED32 = 5

export function integer(field: number, value: number | bigint): Field {
  return concat([varint(tag(field, VARINT)), varint(BigInt.asUintN(64, BigInt(value)))])
}

/** IEEE 754 single precision. */
export function float(field: number, value: number): Field {
  return concat([varint(tag(field, FIXED32)), new Uint8Array(Float32Array.of(value).buffer)])
}

export function text(field: number, value: string): Field {
  return bytes(field, new TextEncoder().encode(value))
}

export function bytes(field: number, value: Uint8Array): Field {
  return concat([varint(tag(field, BYTES)), varint(BigInt(value.length)), value])
}

export function message(field: number, fields: readonly Field[]): Field {
  return bytes(field, concat(fields))
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts)
}

function tag(field: number, type: number): bigint {
  return BigInt((field << 3) | type)
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function varint(value: bigint): Uint8Array {
  const out: number[] = []
  let rest = value
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}
