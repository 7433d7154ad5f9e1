import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ByteSource } from '../../../proxy-task/postgres/byte-source.ts';

/** A source whose bytes the test hands over itself; the socket is not connected to anything. */
function source(maxBufferedBytes: number): { reader: ByteSource; give: (bytes: string) => void; socket: Socket } {
  const socket = new Socket();
  let give: (chunk: Buffer) => void = () => {};
  const reader = new ByteSource(socket, {
    maxBufferedBytes,
    feed: (take) => {
      give = take;
      return { stop: () => {} };
    },
  });
  return { reader, give: (bytes) => give(Buffer.from(bytes)), socket };
}

test('bytes come in order, however they were cut, and the rest is handed over', async () => {
  const { reader, give } = source(100);
  const first = reader.exactly(5);
  for (const piece of ['ab', 'c', 'defg']) give(piece);
  expect((await first).toString()).toBe('abcde');
  expect(await reader.peekByte()).toBe(0x66);
  expect(reader.bufferedBytes).toBe(2);
  expect(reader.detach().toString()).toBe('fg');
});

test('after an overflow nothing is read, not even what came before it', async () => {
  const { reader, give } = source(4);
  give('abc');
  give('de');
  await expect(reader.exactly(1)).rejects.toMatchObject({ code: 'malformed-message' });
  expect(reader.detach()).toHaveLength(0);
});

test('what came before the end can still be read', async () => {
  const { reader, give, socket } = source(10);
  give('ab');
  socket.destroy();
  expect((await reader.exactly(2)).toString()).toBe('ab');
  await expect(reader.exactly(1)).rejects.toMatchObject({ code: 'connection-lost' });
});

test('a socket that is closed already is told', async () => {
  const socket = new Socket();
  socket.destroy();
  const reader = new ByteSource(socket, { maxBufferedBytes: 10, feed: () => ({ stop: () => {} }) });
  await expect(reader.peekByte()).rejects.toMatchObject({ code: 'connection-lost' });
});

test.each([
  ['a message above its limit', 'R\0\0\0\x0f', async (reader: ByteSource) => reader.message(10)],
  ['a message below its own size', 'R\0\0\0\x03', async (reader: ByteSource) => reader.message(10)],
  ['a packet below its limit', '\0\0\0\x07', async (reader: ByteSource) => reader.packet(8, 10)],
  ['a packet above its limit', '\0\0\0\x0b', async (reader: ByteSource) => reader.packet(8, 10)],
])('%s is refused by its length alone', async (_name, bytes, read) => {
  const { reader, give } = source(100);
  give(bytes);
  await expect(read(reader)).rejects.toMatchObject({ code: 'malformed-message' });
});
