import { describe, expect, test } from 'vitest';
import { checkStage, DEVELOPMENT, PRODUCTION, type StageProps } from '../../infra/stages.ts';

/** As if it came from code that no type checker saw. */
const untyped = (stage: object): StageProps => Object.assign({}, DEVELOPMENT, stage);

describe('a stage', () => {
  test('the two of the repository are sound', () => {
    expect(checkStage(DEVELOPMENT)).toBe(DEVELOPMENT);
    expect(checkStage(PRODUCTION)).toBe(PRODUCTION);
  });

  test.each([
    ['COMPLIANCE in a development stage', untyped({ retention: { mode: 'COMPLIANCE', days: 7 } }), /COMPLIANCE is not for a development/u],
    ['GOVERNANCE in production', untyped({ ...PRODUCTION, retention: { mode: 'GOVERNANCE', days: 400 } }), /GOVERNANCE is not for/u],
    ['a development stage that locks for a year', untyped({ retention: { mode: 'GOVERNANCE', days: 365 } }), /1 to 30 days/u],
    ['production for less than a year', { ...PRODUCTION, retention: { mode: 'COMPLIANCE', days: 364 } }, /365 to 3650 days/u],
    ['production for more than ten years', { ...PRODUCTION, retention: { mode: 'COMPLIANCE', days: 3_651 } }, /365 to 3650 days/u],
    ['half a day', untyped({ retention: { mode: 'GOVERNANCE', days: 1.5 } }), /1 to 30 days/u],
    ['two tasks in production', { ...PRODUCTION, tasks: { ...PRODUCTION.tasks, min: 2 } }, /leave a zone empty/u],
    ['more tasks at least than at most', untyped({ tasks: { min: 4, max: 3, sessionsPerTask: 1 } }), /more tasks at least/u],
    ['a role path without slashes', untyped({ rolePath: 'sallyport' }), /does not begin and end with/u],
    ['an instance name in capitals', untyped({ instance: 'Prod' }), /is not 3 to 20/u],
    [
      'an existing VPC with a zone too many',
      untyped({
        vpc: {
          kind: 'existing',
          vpcId: 'vpc-1',
          cidr: '10.0.0.0/16',
          availabilityZones: ['a', 'b'],
          privateSubnetIds: ['s'],
          privateRouteTableIds: ['r'],
          endpoints: true,
        },
      }),
      /one private subnet for each/u,
    ],
  ] satisfies readonly (readonly [string, StageProps, RegExp])[])('%s is refused', (_, stage, says) => {
    expect(() => checkStage(stage)).toThrow(says);
  });
});
