/**
 * A plugin of Stryker that leaves alone what no test should repeat: texts for people (messages of errors, labels of tensors,
 * names of operations), and the examples of operations, which are data for tests. Every other string is mutated.
 */
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

/** Functions whose string arguments are labels. */
const LABELLED = new Set(['input', 'variable', 'constant', 'scalar', 'zeros', 'scoped']);

/** @returns {string | undefined} why the node is not mutated */
function reasonToIgnore(path) {
  if (path.isNewExpression() && /Error$/.test(path.node.callee.name ?? '')) return 'the message of an error';
  if (path.isCallExpression() && path.node.callee.name === 'examples') return 'examples for tests';
  if (!path.isStringLiteral() && !path.isTemplateLiteral()) return undefined;
  const { parentPath: parent } = path;
  if (parent?.isCallExpression() && LABELLED.has(parent.node.callee.name)) return 'the label of a tensor';
  if (parent?.isObjectProperty() && parent.node.key.name === 'name') return 'the name of an operation';
  return undefined;
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'ignored', { shouldIgnore: reasonToIgnore }),
];
