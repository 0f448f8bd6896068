/** @file How a config is refused whose fields do not fit together. */
import { UserError } from '../core/errors.ts';

/** Reports fields of a config that do not fit together. @param hint flags that do */
export function rejectConfig(problem: string, hint?: string): never {
  throw new UserError('config', problem, hint);
}
