/** What a session recorded since its last batch: events as text, released bytes in a buffer of the pool. */
import type { ContentPool } from './content-pool.ts';
import { eventJson } from './event-json.ts';
import type { SessionEvent } from './event.ts';
import type { Stamps } from './stamps.ts';

export class BatchInHand {
  private readonly pool: ContentPool;
  private readonly stamps: Stamps;
  private events = '';
  private content: Buffer | undefined;
  private contentEnd = 0;
  private seq = 0;

  constructor(pool: ContentPool, stamps: Stamps) {
    this.pool = pool;
    this.stamps = stamps;
  }

  /** How many events there were so far. */
  get eventCount(): number {
    return this.seq;
  }

  /** UTF-16 code units of the events. */
  get eventsLength(): number {
    return this.events.length;
  }

  get contentBytes(): number {
    return this.contentEnd;
  }

  /** Throws where the event has no schema, or is the first and not `session.opened`. */
  append(event: SessionEvent): number {
    if (this.seq === 0 && event.type !== 'session.opened') throw new Error('a recording starts with session.opened');
    const json = eventJson(event, this.stamps.next(this.seq));
    this.events = this.events === '' ? json : `${this.events},${json}`;
    return this.seq++;
  }

  /** The number that an event would have had which is not recorded any more. */
  skip(): number {
    return this.seq++;
  }

  appendContent(source: Buffer, start: number, end: number): void {
    this.content = this.pool.grow(this.content, this.contentEnd, end - start);
    source.copy(this.content, this.contentEnd, start, end);
    this.contentEnd += end - start;
  }

  /**
   * Hands over what is in hand; undefined where there is nothing. The content holds until `drop`, which must come before more is
   * appended.
   */
  take(): { readonly events: string; readonly content: Buffer | undefined } | undefined {
    if (this.events === '' && this.contentEnd === 0) return undefined;
    const taken = { events: this.events, content: this.content?.subarray(0, this.contentEnd) };
    this.events = '';
    return taken;
  }

  /** Gives the buffer of the content back. */
  drop(): void {
    if (this.content !== undefined) this.pool.release(this.content);
    this.content = undefined;
    this.contentEnd = 0;
  }
}
