/**
 * GPT-2's alphabet of bytes: every byte has a printable character, so that a vocabulary of byte strings is plain text
 * (Radford et al. 2019, `encoder.py`). Printable Latin-1 stands for itself; the other 68 bytes are U+0100 and up.
 */
const characterOfByte: readonly string[] = (() => {
  const table: string[] = []
  let next = 0x100
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    table.push(String.fromCharCode(printable ? byte : next++))
  }
  return table
})()

const byteOfCode = new Int16Array(0x200).fill(-1)
characterOfByte.forEach((character, byte) => {
  byteOfCode[character.charCodeAt(0)] = byte
})

const encoder = new TextEncoder()

/** `text` as the characters of its UTF-8 bytes. */
export function toByteCharacters(text: string): string {
  if (/^[!-~]*$/.test(text)) return text
  let characters = ''
  for (const byte of encoder.encode(text)) characters += characterOfByte[byte]
  return characters
}

/** The bytes that `token` stands for; a token with any other character stands for its own UTF-8. */
export function fromByteCharacters(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfCode[token.charCodeAt(i)] ?? -1
    if (byte < 0) return encoder.encode(token)
    bytes[i] = byte
  }
  return bytes
}
