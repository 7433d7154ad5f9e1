import type { IncomingMessage } from 'node:http';

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    // A request without an encoding set yields buffers alone.
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
