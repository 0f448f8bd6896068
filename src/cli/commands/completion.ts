/** @file `tessera completion`: a script by which a shell completes the program's commands, flags and values. */
import { z } from 'zod';
import { type Command, defineCommand } from '../command.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** @param known the commands that are completed, its own among them */
export function completionOf(known: () => readonly Command[]): Command {
  return defineCommand({
    name: 'completion',
    summary: 'print a script by which a shell completes commands, flags and their values',
    examples: ['tessera completion bash', 'tessera completion fish --program paint'],
    positionals: [{ name: 'SHELL', description: `one of ${shells.join(', ')}`, choices: shells }],
    flags: () =>
      z.object({
        program: z
          .array(z.string().regex(/^\w[\w.-]*$/))
          .min(1)
          .default(['tessera', 'tesserae'])
          .describe('names that the program is called by'),
      }),
    run: async (session, { values, positionals: [shell] }) => {
      const { completedOf } = await import('../completion/completed.ts');
      const completed = await completedOf(known(), values.program);
      for (const line of await scriptFor(shell as (typeof shells)[number], completed)) session.print(line); // a choice
    },
  });
}

async function scriptFor(
  shell: (typeof shells)[number],
  completed: import('../completion/completed.ts').Completed,
): Promise<string[]> {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion(completed);
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion(completed);
    case 'fish':
      return (await import('../completion/fish.ts')).fishCompletion(completed);
    default:
      return shell satisfies never;
  }
}
