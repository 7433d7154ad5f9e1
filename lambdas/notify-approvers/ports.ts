/** What telling people needs from outside. */
import type { Approval } from '../../core/approval/approval.ts';
import type { Notice } from '../../core/approval/notice.ts';

export interface NoticeStore {
  read(id: string): Promise<{ readonly v: number; readonly notice: Notice }>;
  /** False where the notice is not at version `v` any more; 0: there was none. */
  put(id: string, v: number, notice: Notice): Promise<boolean>;
}

/** One way to tell people, such as e-mail. Rejects when it could not be sent. */
export type Channel = { readonly name: string; readonly send: (text: NoticeText) => Promise<void> };

/** What people get: nothing of the statement's text or values, and a link that decides nothing. */
export type NoticeText = {
  readonly subject: string;
  readonly lines: readonly string[];
  readonly url: string;
};

export type NotifyPorts = {
  /** As stored: times are judged by the caller. */
  readonly approval: (id: string) => Promise<Approval | undefined>;
  readonly notices: NoticeStore;
  readonly channels: readonly Channel[];
  readonly publicUrl: string;
  readonly now: () => number;
  readonly notSent: (id: string, channel: string, error: unknown) => void;
};
