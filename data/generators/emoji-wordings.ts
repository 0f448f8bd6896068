/**
 * @file Other ways to say the name of an emoji with its own words, in orders that people type: "heart red", "tears of joy
 * face", "france flag". Nothing here knows what is drawn; words of other names are in emoji-aliases.ts.
 */

const COLOURS = 'red|orange|yellow|green|blue|light blue|purple|brown|black|white|grey|pink';
const COLOURED = new RegExp(`^(${COLOURS}) (\\S+)$`);
/** A person and what they are, in one or two words, none of which says what they do or wear. */
const ROLE = /^(man|woman) (?!with|in|and|of)((?:(?!\S+ing\b)\S+ )?(?!\S+ing\b|with\b)\S+)$/;
const SEX: Readonly<Record<string, string>> = { man: 'male', woman: 'female' };

/** A form of names, and how else such a name is said. */
const FORMS: readonly (readonly [RegExp, (...parts: string[]) => string])[] = [
  [COLOURED, (colour, thing) => `${thing} ${colour}`],
  [/^flag of (?:the )?(.+)$/, place => `${place} flag`],
  [/^clock at (.+)$/, time => time],
  [/^thumbs (up|down)$/, way => `thumb ${way}`],
  [/^face with (.+)$/, what => `${what} face`],
  [/^(?!face )(.+) with (?:an? )?(.+)$/, (who, what) => `${who} ${what}`],
  [/^(.+) face$/, how => how],
  [ROLE, (who, role) => `${SEX[who]} ${role}`],
];

/** How else a name is said, the name itself not among it; e.g. of "cat with tears of joy" it is "cat tears of joy". */
export function wordingsOf(name: string): string[] {
  return FORMS.flatMap(([form, say]) => {
    const found = form.exec(name);
    return found === null ? [] : [say(...found.slice(1))];
  });
}
