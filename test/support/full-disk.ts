/** The real file system with room for so many bytes: the write that crosses the limit stops in its middle, as it does. */
import { type AppendFiles, diskFiles } from '../../standalone/evidence/append-files.ts';

export type FullDisk = AppendFiles & { room: number; filesLeft: number; syncFails: boolean };

export function fullDisk(room: number): FullDisk {
  const disk: FullDisk = {
    room,
    filesLeft: Number.POSITIVE_INFINITY,
    syncFails: false,
    create(root, path) {
      if (disk.room <= 0) throw new Error('ENOSPC: no space left on device');
      if (disk.filesLeft <= 0) throw new Error('EMFILE: too many open files');
      const file = diskFiles.create(root, path);
      return {
        write(parts) {
          const bytes = Buffer.concat([...parts]);
          const fits = Math.min(bytes.length, Math.max(0, disk.room));
          disk.room -= bytes.length;
          if (fits > 0) file.write([bytes.subarray(0, fits)]);
          if (fits < bytes.length) throw new Error('ENOSPC: no space left on device');
        },
        sync: (done) => (disk.syncFails ? done(new Error('EIO: i/o error')) : file.sync(done)),
        close: () => file.close(),
      };
    },
    async publish(root, path, bytes) {
      if (disk.room < bytes.length) throw new Error('ENOSPC: no space left on device');
      disk.room -= bytes.length;
      await diskFiles.publish(root, path, bytes);
    },
  };
  return disk;
}
