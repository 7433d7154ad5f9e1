/** From a request that names paths to what is judged, and to the packet that is sent if it may run. */
import type { HostOperation, HostPath } from '../../core/statement/host/host-operation.ts';
import { areOrdinary, type Attributes, attributeFields, describeAttributes } from './messages/sftp-attributes.ts';
import { encodePacket, string, uint32 } from './messages/sftp-fields.ts';
import { FXF, FXP, KNOWN_FXF } from './messages/sftp-packet.ts';
import type { SftpRequest } from './messages/sftp-request.ts';
import { changedPlace, followedPlace, type Place, shownPlace } from './sftp-place.ts';

export type FileAction = (HostOperation & { readonly kind: 'file' })['action'];

/** One operation that is judged, on all paths of the plan. */
export type Step = {
  readonly action: FileAction;
  readonly attributes?: string;
  /** Whoever made the folder a moment ago may set it without asking again. */
  readonly ordinary?: boolean;
  /** All that is in it is shown. */
  readonly inside?: boolean;
};

export type Plan = {
  readonly places: readonly Place[];
  /** Judged one after the other; all must run. */
  readonly steps: readonly Step[];
  /** Whether something on the host is another afterwards. */
  readonly changes: boolean;
  /** The type of the reply where it is no STATUS; FXP.STATUS where there is none other. */
  readonly reply: number;
  readonly opens?: Opening;
  /** What the host has answered. */
  readonly settled?: (ok: boolean) => void;
  /** `fresh`: the host could not say what the last name is, so nothing may be there. */
  encode(id: number, paths: readonly HostPath[], fresh: boolean): Buffer;
};

export type Opening = {
  readonly kind: 'file' | 'folder';
  readonly creates: boolean;
  /** What is written is the whole file: nothing of an older one is left. */
  readonly whole: boolean;
};

type PathRequest = Extract<SftpRequest, { readonly path: string | undefined }>;

/** Undefined where a path is no text that can be judged, or ends in no name where one is needed. */
export function planOf(request: SftpRequest, home: HostPath): Plan | undefined {
  if (request.kind === 'rename') return planRename(request, home);
  if (!('path' in request) || request.path === undefined) return undefined;
  return planPath(request, request.path, home);
}

function planPath(request: PathRequest, path: string, home: HostPath): Plan | undefined {
  switch (request.kind) {
    case 'open':
      return planOpen(request, path, home);
    case 'stat':
      return planListing(FXP.STAT, FXP.ATTRS, followedPlace(path, home));
    case 'lstat':
      return planListing(FXP.LSTAT, FXP.ATTRS, shownPlace(path, home));
    case 'readlink':
      return planListing(FXP.READLINK, FXP.NAME, shownPlace(path, home));
    case 'opendir':
      return {
        ...planListing(FXP.OPENDIR, FXP.HANDLE, followedPlace(path, home)),
        steps: [{ action: 'list', inside: true }],
        opens: { kind: 'folder', creates: false, whole: false },
      };
    case 'statvfs':
      return {
        ...planListing(FXP.EXTENDED, FXP.EXTENDED_REPLY, followedPlace(path, home)),
        encode: (id, [real = '']) => encodePacket(FXP.EXTENDED, uint32(id), string('statvfs@openssh.com'), string(real)),
      };
    case 'remove':
      return planChange(FXP.REMOVE, 'remove', changedPlace(path, home));
    case 'removeFolder':
      return planChange(FXP.RMDIR, 'removeFolder', changedPlace(path, home));
    case 'makeFolder':
      return planMakeFolder(request.attributes, changedPlace(path, home));
    case 'setstat':
      return planSetAttributes(request.attributes, followedPlace(path, home), (id, real) =>
        encodePacket(FXP.SETSTAT, uint32(id), string(real), ...attributeFields(request.attributes)),
      );
    case 'lsetstat':
      return planSetAttributes(request.attributes, shownPlace(path, home), (id, real) =>
        encodePacket(FXP.EXTENDED, uint32(id), string('lsetstat@openssh.com'), string(real), ...attributeFields(request.attributes)),
      );
    case 'realpath':
    case 'expandPath':
      // Judged by the host's answer, not by a plan.
      return undefined;
  }
}

function planOpen(request: SftpRequest & { readonly kind: 'open' }, path: string, home: HostPath): Plan | undefined {
  const { flags, attributes } = request;
  if ((flags & ~KNOWN_FXF) !== 0) return undefined;
  const writes = (flags & ~FXF.READ) !== 0;
  // As servers read the flags: what is not opened for writing is opened for reading.
  const reads = (flags & FXF.READ) !== 0 || (flags & FXF.WRITE) === 0;
  const place = (flags & FXF.EXCL) === 0 ? followedPlace(path, home) : changedPlace(path, home);
  if (place === undefined) return undefined;
  const creates = (flags & FXF.CREAT) !== 0;
  return {
    places: [place],
    steps: [
      ...(reads ? [{ action: 'read' } as const] : []),
      ...(writes ? [{ action: 'write' } as const] : []),
      ...(creates && !areOrdinary(attributes) ? [attributesStep(attributes)] : []),
    ],
    changes: writes,
    reply: FXP.HANDLE,
    opens: { kind: 'file', creates, whole: (flags & (FXF.TRUNC | FXF.EXCL)) !== 0 && (flags & FXF.APPEND) === 0 },
    encode: (id, [real = ''], fresh) =>
      encodePacket(FXP.OPEN, uint32(id), string(real), uint32(fresh ? flags | FXF.EXCL : flags), ...attributeFields(attributes)),
  };
}

function planListing(type: number, reply: number, place: Place): Plan {
  return {
    places: [place],
    steps: [{ action: 'list' }],
    changes: false,
    reply,
    encode: (id, [real = '']) => encodePacket(type, uint32(id), string(real)),
  };
}

function planChange(type: number, action: FileAction, place: Place | undefined): Plan | undefined {
  if (place === undefined) return undefined;
  const encode: Plan['encode'] = (id, [real = '']) => encodePacket(type, uint32(id), string(real));
  return { places: [place], steps: [{ action }], changes: true, reply: FXP.STATUS, encode };
}

function planMakeFolder(attributes: Attributes, place: Place | undefined): Plan | undefined {
  if (place === undefined) return undefined;
  return {
    places: [place],
    steps: [{ action: 'makeFolder' }, ...(areOrdinary(attributes) ? [] : [attributesStep(attributes)])],
    changes: true,
    reply: FXP.STATUS,
    encode: (id, [real = '']) => encodePacket(FXP.MKDIR, uint32(id), string(real), ...attributeFields(attributes)),
  };
}

function planRename(request: SftpRequest & { readonly kind: 'rename' }, home: HostPath): Plan | undefined {
  const { from, to, posix } = request;
  const places = [from, to].map((path) => (path === undefined ? undefined : changedPlace(path, home)));
  const [one, other] = places;
  if (one === undefined || other === undefined) return undefined;
  return {
    places: [one, other],
    steps: [{ action: 'rename' }],
    changes: true,
    reply: FXP.STATUS,
    encode: (id, [before = '', after = '']) =>
      posix
        ? encodePacket(FXP.EXTENDED, uint32(id), string('posix-rename@openssh.com'), string(before), string(after))
        : encodePacket(FXP.RENAME, uint32(id), string(before), string(after)),
  };
}

/** A change of the size writes; a change of anything else is its own operation. */
export function planSetAttributes(attributes: Attributes, place: Place, encode: (id: number, real: HostPath) => Buffer): Plan {
  const { size, ...others } = attributes;
  const only = size !== undefined && Object.keys(others).length === 0;
  return {
    places: [place],
    steps: [...(size === undefined ? [] : [{ action: 'write' } as const]), ...(only ? [] : [attributesStep(attributes)])],
    changes: true,
    reply: FXP.STATUS,
    encode: (id, [real = '']) => encode(id, real),
  };
}

function attributesStep(attributes: Attributes): Step {
  return {
    action: 'setAttributes',
    attributes: describeAttributes(attributes),
    ordinary: areOrdinary(attributes) && attributes.size === undefined,
  };
}
