/**
 * What `npm run lint` asks of docstrings. They stand
 *
 * 1. right before every exported declaration; re-exports have theirs where they are declared;
 * 2. before every public method and getter of an exported class, but overrides, whose base class has it;
 * 3. and say `@throws`, or "throws" or "rejects" in a sentence, where the body itself (no function inside it) has a `throw new`.
 *    For a method, its class's docstring may say it for all.
 */
import { parseSync } from 'oxc-parser';

const SAYS_THROWS = /\b(throws?|rejects?)\b/i;
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** What `text`, the content of `file`, breaks of the rules: one line each, with file and line. */
export function docstringProblems(file, text) {
  const { program, comments, errors } = parseSync(file, text);
  if (errors.length > 0) return [`${file}: cannot be parsed: ${errors[0].message}`];
  const docstrings = new Map(
    comments.flatMap(({ value, end }) => (value.startsWith('*') ? [[end, value]] : [])),
  );
  const docstringOf = ({ start }) => docstrings.get(text.slice(0, start).trimEnd().length);
  const problems = [];
  const add = ({ start }, problem) => {
    problems.push(`${file}:${text.slice(0, start).split('\n').length}: ${problem}`);
  };
  const checkThrows = (name, node, said) => {
    if (throwsItself(node) && !SAYS_THROWS.test(said ?? ''))
      add(node, `${name} throws, and its docstring does not say when (@throws)`);
  };

  const exported = program.body.filter(({ type, declaration }) => declaration && type.startsWith('Export'));
  for (const [i, node] of exported.entries()) {
    const { declaration } = node;
    const said = docstringOf(node);
    if (said === undefined && !isOverload(node, exported[i - 1]))
      add(node, `${nameOf(declaration)} is exported without a docstring`);
    if (FUNCTIONS.has(declaration.type)) {
      // The implementation behind overloads has their docstring.
      const overload = exported.find(({ declaration: other }) => nameOf(other) === nameOf(declaration));
      checkThrows(nameOf(declaration), declaration, said ?? docstringOf(overload));
    }
    for (const { id, init } of declaration.declarations ?? [])
      if (init && FUNCTIONS.has(init.type)) checkThrows(id.name, init, said);
    if (declaration.type === 'ClassDeclaration')
      for (const method of declaration.body.body.filter(isPublicMethod)) {
        const name = `${nameOf(declaration)}.${method.key.name}`;
        const own = docstringOf(method);
        if (own === undefined) add(method, `the public method ${name} has no docstring`);
        checkThrows(name, method.value, `${said} ${own}`);
      }
  }
  return problems;
}

/** A setter has the docstring of its getter. */
function isPublicMethod({ type, kind, key, accessibility, override, value }) {
  return (
    type === 'MethodDefinition' &&
    (kind === 'method' || kind === 'get') &&
    key.type !== 'PrivateIdentifier' &&
    (accessibility ?? 'public') === 'public' &&
    !override &&
    value.body !== null
  );
}

/** Whether `throw new` is in a function's own body, not in that of a function or class inside it. */
function throwsItself(node, isOuter = true) {
  if (Array.isArray(node)) return node.some((one) => throwsItself(one, false));
  if (typeof node !== 'object' || node === null) return false;
  if (node.type === 'ThrowStatement' && node.argument.type === 'NewExpression') return true;
  if (!isOuter && (FUNCTIONS.has(node.type) || node.type === 'ClassBody')) return false;
  return Object.values(node).some((child) => throwsItself(child, false));
}

/** The implementation behind documented overloads. */
function isOverload({ declaration }, before) {
  return (
    before?.declaration.type === 'TSDeclareFunction' && nameOf(before.declaration) === nameOf(declaration)
  );
}

function nameOf(declaration) {
  return declaration.id?.name ?? declaration.declarations?.[0].id.name ?? 'default';
}
