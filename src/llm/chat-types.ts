/** A message of a chat, as OpenAI's API writes it. */
export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool'
  /** May be left out of an assistant's message that calls tools. */
  content?: string | null
  name?: string
  /** What a choice's `toolCalls` were. */
  tool_calls?: readonly (ToolCall | object)[]
  /** Of a tool's message: the call that it answers. */
  tool_call_id?: string
  /** What a choice's `reasoning` was, for templates that show it again. */
  reasoning_content?: string
}

/** A function that the model may call, as OpenAI's API describes it. */
export interface Tool {
  readonly type: 'function'
  readonly function: {
    /** Letters, digits, `_`, `-` and `.`, at most 64. */
    readonly name: string
    readonly description?: string
    /** A JSON schema of the arguments, an object; none without. */
    readonly parameters?: object
    readonly strict?: boolean | null
  }
}

/** `auto`: the model decides; `required`: it calls at least one tool; a tool: it calls that one, once. */
export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } }

export interface ToolCall {
  readonly id: string
  readonly type: 'function'
  readonly function: {
    readonly name: string
    /** JSON, unless the model erred or was cut off: check before use. */
    readonly arguments: string
  }
}

/** A piece of a call: the first has its id and name, all have more of the arguments' text. */
export interface ToolCallDelta {
  readonly index: number
  readonly id?: string
  readonly type?: 'function'
  readonly function: { readonly name?: string; readonly arguments: string }
}

/** What the output must be. `json_object`: any JSON object; `json_schema`: JSON that satisfies the schema. */
export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | { readonly type: 'json_schema'; readonly schema: object }
  /** As OpenAI's API writes it. */
  | { readonly type: 'json_schema'; readonly json_schema: { readonly schema: object; readonly name?: string } }
