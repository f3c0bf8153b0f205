/** A message of a chat, as OpenAI's API writes it. */
export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool'
  content: string | null
  name?: string
  tool_calls?: readonly object[]
  tool_call_id?: string
}

export interface ResponseFormat {
  type: 'text' | 'json_object' | 'json_schema'
  schema?: object
}
