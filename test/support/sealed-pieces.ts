/** Bodies of evidence as a sealer elsewhere leaves them: spines in pieces, one tree, checkpoints, one key. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { checkpointNote, keyFingerprint, treeHeadText } from '../../core/evidence/checkpoint.ts';
import { FORMAT_PATH, FORMAT_TEXT, checkpointPath, keyPath, leafLine, leavesPath, spinePiecePath } from '../../core/evidence/layout.ts';
import { MerkleTree } from '../../core/evidence/merkle.ts';

const DAY = '2026-11-20';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const SIGNING_KEY = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));

/** Lines of spines, without line feeds, of writer after writer; each piece holds `perPiece` batches. One checkpoint is over all. */
export function sealedPieces(spines: ReadonlyMap<string, readonly Buffer[]>, perPiece: number): Map<string, Buffer> {
  const files = new Map<string, Buffer>([[FORMAT_PATH, Buffer.from(FORMAT_TEXT)]]);
  const key = createPublicKey(SIGNING_KEY);
  const fingerprint = keyFingerprint(key);
  files.set(keyPath(fingerprint), Buffer.from(key.export({ type: 'spki', format: 'pem' })));
  const tree = new MerkleTree();
  const leaves: string[] = [];
  for (const [writer, lines] of spines) {
    for (const [batch, line] of lines.entries()) {
      const leaf = leafLine({ writer, batch, hash: createHash('sha256').update(line).digest('hex') });
      leaves.push(leaf);
      tree.append(Buffer.from(leaf));
    }
    for (let first = 0; first < lines.length; first += perPiece) {
      const piece = lines.slice(first, first + perPiece).flatMap((line) => [line, Buffer.from('\n')]);
      files.set(spinePiecePath(writer, first), Buffer.concat(piece));
    }
  }
  files.set(leavesPath(DAY, tree.size), Buffer.from(`${leaves.join('\n')}\n`));
  const head = { origin: 'sallyport/test', size: tree.size, root: tree.root() };
  const note = checkpointNote(head, fingerprint, sign('sha256', Buffer.from(treeHeadText(head)), SIGNING_KEY));
  files.set(checkpointPath(DAY, tree.size), Buffer.from(note));
  return files;
}
