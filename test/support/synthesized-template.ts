/** Synthesized CloudFormation templates, read the way CloudFormation reads them: references become values, or it is an error. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, jsonOf, textOf, type Json, type JsonObject } from './state-machine/json-value.ts';

export type Resource = {
  readonly stack: string;
  readonly id: string;
  readonly type: string;
  /** References in it are not resolved. */
  readonly properties: JsonObject;
};

export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::AccountId': ACCOUNT,
  'AWS::Region': REGION,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

/** What `Ref` and `Fn::GetAtt` say of resources whose names stand in the template. */
const KNOWN: Readonly<Record<string, (name: string) => { readonly ref: string; readonly arn: string }>> = {
  'AWS::DynamoDB::Table': (name) => ({ ref: name, arn: arn('dynamodb', `table/${name}`) }),
  'AWS::S3::Bucket': (name) => ({ ref: name, arn: `arn:aws:s3:::${name}` }),
  'AWS::Lambda::Function': (name) => ({ ref: name, arn: arn('lambda', `function:${name}`) }),
  'AWS::StepFunctions::StateMachine': (name) => ({
    ref: arn('states', `stateMachine:${name}`),
    arn: arn('states', `stateMachine:${name}`),
  }),
};
const NAMES = ['TableName', 'BucketName', 'FunctionName', 'StateMachineName'];

export class SynthesizedTemplates {
  readonly resources: readonly Resource[];
  readonly #templates: ReadonlyMap<string, JsonObject>;
  readonly #given = new Map<string, string>();

  /** Templates by the names of their stacks. */
  constructor(templates: ReadonlyMap<string, JsonObject>) {
    this.#templates = templates;
    this.resources = [...templates].flatMap(([stack, template]) =>
      Object.entries(objectIn(template['Resources'])).map(([id, value]): Resource => {
        const resource = objectIn(value);
        return { stack, id, type: textOf(resource['Type']), properties: objectIn(resource['Properties']) };
      }),
    );
  }

  ofType(type: string): readonly Resource[] {
    return this.resources.filter((resource) => resource.type === type);
  }

  /** What `attribute` of a resource is, or its `Ref`: said by whoever made it. Also the value of a parameter. */
  give(stack: string, id: string, attribute: string, value: string): void {
    this.#given.set(`${stack} ${id} ${attribute}`, value);
  }

  /** Properties with every reference resolved. */
  properties(resource: Resource): JsonObject {
    return objectIn(this.resolve(resource.properties, resource.stack));
  }

  /** Throws where something is referred to that nobody knows. */
  resolve(value: Json, stack: string): Json {
    if (Array.isArray(value)) return value.map((each: Json) => this.resolve(each, stack)).filter((each) => each !== NO_VALUE);
    if (!isObject(value)) return value;
    const [name, ...others] = Object.keys(value);
    if (name !== undefined && others.length === 0 && (name === 'Ref' || name.startsWith('Fn::'))) {
      return this.#call(name, value[name] ?? null, stack);
    }
    const entries = Object.entries(value).map(([key, each]) => [key, this.resolve(each, stack)] as const);
    return Object.fromEntries(entries.filter(([, each]) => each !== NO_VALUE));
  }

  #call(name: string, argument: Json, stack: string): Json {
    if (name === 'Ref') return this.#attribute(stack, textOf(argument), 'Ref');
    if (name === 'Fn::GetAtt') {
      const [id, attribute] = Array.isArray(argument) ? argument.map(textOf) : textOf(argument).split('.');
      return this.#attribute(stack, id ?? '', attribute ?? '');
    }
    const resolved = this.resolve(argument, stack);
    const list = Array.isArray(resolved) ? resolved : [];
    switch (name) {
      case 'Fn::Join': {
        const [separator, parts] = list;
        return Array.isArray(parts) ? parts.map(textOf).join(textOf(separator)) : '';
      }
      case 'Fn::Select': {
        const [at, parts] = list;
        return Array.isArray(parts) ? (parts[Number(at)] ?? null) : null;
      }
      case 'Fn::Split':
        return textOf(list[1]).split(textOf(list[0]));
      case 'Fn::GetAZs':
        return [`${REGION}a`, `${REGION}b`, `${REGION}c`];
      case 'Fn::ImportValue':
        return this.#imported(textOf(resolved));
      case 'Fn::Sub':
        return textOf(resolved).replaceAll(/\$\{([^}]+)\}/g, (_, id: string) => {
          const [resource = '', attribute = 'Ref'] = id.split('.');
          return textOf(this.#attribute(stack, resource, attribute));
        });
      default:
        throw new Error(`${stack}: nobody knows ${name}`);
    }
  }

  #attribute(stack: string, id: string, attribute: string): Json {
    if (id === 'AWS::NoValue') return NO_VALUE;
    const pseudo = PSEUDO[id] ?? this.#given.get(`${stack} ${id} ${attribute}`);
    if (pseudo !== undefined) return pseudo;
    const resource = this.resources.find((each) => each.stack === stack && each.id === id);
    if (resource === undefined) return this.#parameter(stack, id);
    const name = NAMES.map((each) => resource.properties[each]).find((each) => each !== undefined);
    const known = name === undefined ? undefined : KNOWN[resource.type]?.(textOf(this.resolve(name, stack)));
    if (known !== undefined && attribute === 'Ref') return known.ref;
    if (known !== undefined && (attribute === 'Arn' || attribute === 'StateMachineArn')) return known.arn;
    throw new Error(`${stack}: nobody said ${attribute} of ${id} (${resource.type})`);
  }

  #parameter(stack: string, id: string): Json {
    const parameter = objectIn(objectIn(this.#templates.get(stack)?.['Parameters'])[id]);
    const value = parameter['Default'];
    if (value === undefined) throw new Error(`${stack}: nobody said the parameter ${id}`);
    return value;
  }

  #imported(name: string): Json {
    for (const [stack, template] of this.#templates) {
      for (const output of Object.values(objectIn(template['Outputs']))) {
        const { Export: exported, Value: value } = objectIn(output);
        if (value !== undefined && objectIn(exported)['Name'] === name) return this.resolve(value, stack);
      }
    }
    throw new Error(`nobody exports ${name}`);
  }
}

/** Reads every template below a cloud assembly's folder whose stack's name matches. */
export function readTemplates(folder: string, named: (stack: string) => boolean = () => true): SynthesizedTemplates {
  const templates = new Map<string, JsonObject>();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const stack = /([^/]+)\.template\.json$/.exec(path)?.[1];
    if (stack !== undefined && named(stack)) templates.set(stack, objectIn(jsonOf(JSON.parse(readFileSync(join(folder, path), 'utf8')))));
  }
  return new SynthesizedTemplates(templates);
}

// A value that no template can hold.
const NO_VALUE = '\u0000no value';

function arn(service: string, resource: string): string {
  return `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;
}

/** The object, or an empty one. */
export function objectIn(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}
