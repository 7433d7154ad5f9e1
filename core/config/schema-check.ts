/** JSON Schema findings in words that say what to do. The schemas themselves are files beside this one, for editors too. */
import { Ajv2020, type AnySchemaObject, type ErrorObject } from 'ajv/dist/2020.js';
import type { YamlPath } from './yaml-file.ts';

export type SchemaFinding = {
  readonly path: YamlPath;
  /** The key of the object at `path` that is wrong. */
  readonly key?: string;
  readonly message: string;
  readonly fix: string;
};

/** Findings about a value; none when it has the schema's shape. */
export type SchemaCheck = (value: unknown) => readonly SchemaFinding[];

/** Compiles a schema once for many files. */
export function compileSchema(schema: AnySchemaObject): SchemaCheck {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, allowUnionTypes: true });
  const validate = ajv.compile(schema);
  // What `if` adds only repeats that something within its branch is wrong.
  return (value) =>
    validate(value) ? [] : (validate.errors ?? []).filter(({ keyword }) => keyword !== 'if').map((error) => finding(error, value));
}

function finding(error: ErrorObject, root: unknown): SchemaFinding {
  const path = pathOf(error.instancePath, root);
  const here = path.length === 0 ? 'the file' : `\`${path.join('.')}\``;
  const params: Readonly<Record<string, unknown>> = error.params;
  const schema: unknown = error.parentSchema;
  const described = isRecord(schema) && typeof schema['description'] === 'string' ? schema['description'].replace(/\.$/, '') : undefined;
  switch (error.keyword) {
    case 'required': {
      const missing = String(params['missingProperty']);
      return { path, message: `${here} has no \`${missing}\``, fix: `add \`${missing}\`` };
    }
    case 'additionalProperties': {
      const key = String(params['additionalProperty']);
      const known = isRecord(schema) && isRecord(schema['properties']) ? Object.keys(schema['properties']) : [];
      return { path, key, message: `unknown key \`${key}\``, fix: `remove it, or use one of ${known.join(', ')}` };
    }
    case 'enum':
    case 'const': {
      const allowed: unknown = error.keyword === 'const' ? [error.schema] : error.schema;
      return {
        path,
        message: `${here} has a value that is not known`,
        fix: `use one of ${Array.isArray(allowed) ? allowed.join(', ') : ''}`,
      };
    }
    case 'false schema':
      return { path, message: `${here} holds a secret`, fix: 'put only the public part here, and replace the key that was written down' };
    case 'type':
      return { path, message: `${here} ${error.message ?? 'has the wrong type'}`, fix: described ?? `write a ${String(params['type'])}` };
    default:
      return { path, message: `${here} ${error.message ?? 'is wrong'}`, fix: described ?? 'correct the value' };
  }
}

/** Array positions as numbers, as the value at hand has them. */
function pathOf(pointer: string, root: unknown): YamlPath {
  const path: (string | number)[] = [];
  let value = root;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(value) ? Number(key) : key);
    value = Array.isArray(value) ? value[Number(key)] : isRecord(value) ? value[key] : undefined;
  }
  return path;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
