/** How a detector tells where its pattern is. */
export type Report = (start: number, end: number) => void;
/** Reports matches in `bytes[start, end)`, each with start < end, in order. */
export type Scan = (bytes: Buffer, start: number, end: number, report: Report) => void;
