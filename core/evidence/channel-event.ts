/** Events of channels of a session on a host; the numbers of channels count from 1 in the order in which they were opened. */
export type ChannelEvent =
  | {
      readonly type: 'channel.opened';
      readonly channel: number;
      readonly kind: 'exec' | 'shell' | 'sftp' | 'forward';
      readonly columns?: number;
      readonly rows?: number;
      readonly term?: string;
    }
  /** Bytes of the batch's content, in the order of these events; `at` and `monoUs` of the event say when. */
  | {
      readonly type: 'channel.data';
      readonly channel: number;
      readonly stream: 'input' | 'stdout' | 'stderr';
      readonly bytes: number;
      /** Pattern matches that were redacted in them. */
      readonly detected: number;
    }
  | { readonly type: 'channel.resized'; readonly channel: number; readonly columns: number; readonly rows: number }
  | { readonly type: 'channel.signal'; readonly channel: number; readonly signal: string }
  /** A file that was sent or fetched whole, or as far as it came. */
  | {
      readonly type: 'channel.file';
      readonly channel: number;
      readonly statement: number;
      readonly by: 'sftp' | 'scp' | 'rsync';
      readonly action: 'read' | 'write';
      readonly path: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly complete: boolean;
      /** What detectors found in it. */
      readonly detected: number;
    }
  | {
      readonly type: 'channel.operation';
      readonly channel: number;
      readonly statement: number;
      readonly text: string;
      readonly outcome: 'ok' | 'error';
      readonly detail: string;
    }
  | {
      readonly type: 'channel.closed';
      readonly channel: number;
      readonly reason: string;
      readonly exitStatus?: number;
      readonly exitSignal?: string;
      readonly inputBytes: number;
      readonly outputBytes: number;
    };
