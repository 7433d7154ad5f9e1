import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type NotificationResponse = { readonly processId: number; readonly channel: string; readonly payload: string };

/** `A` from the target. Throws MalformedMessage, WrongEncoding. */
export function decodeNotificationResponse(buffer: Buffer, start: number, end: number): NotificationResponse {
  const reader = new MessageReader('NotificationResponse', buffer, start, end);
  const processId = reader.int32();
  const channel = reader.text();
  const payload = reader.text();
  reader.finish();
  return { processId, channel, payload };
}

/** `A` to the client. */
export function encodeNotificationResponse(notification: NotificationResponse): Buffer {
  return new MessageWriter().begin('A').int32(notification.processId).text(notification.channel).text(notification.payload).end().finish();
}
