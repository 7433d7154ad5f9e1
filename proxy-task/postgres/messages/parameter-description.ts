import { MessageReader } from './message-reader.ts';

/** ParameterDescription (`t`): the type OIDs of a statement's parameters. Throws MalformedMessage. */
export function decodeParameterDescription(buffer: Buffer, start: number, end: number): number[] {
  const reader = new MessageReader('ParameterDescription', buffer, start, end);
  const count = reader.uint16();
  const types: number[] = [];
  for (let i = 0; i < count; i++) types.push(reader.uint32());
  reader.finish();
  return types;
}
