/** What a state machine carries from state to state. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export type JsonObject = { readonly [name: string]: Json };

/** A copy that is JSON and nothing else: what a service would get over the wire. */
export function jsonOf(value: unknown): Json {
  // JSON.parse yields exactly what the type says.
  return JSON.parse(JSON.stringify(value ?? null)) as Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A string as it is, anything else as its JSON. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
