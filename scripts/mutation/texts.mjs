/**
 * A plugin of Stryker that leaves texts for people alone: messages of errors, labels of tensors, names of operations. A test
 * of their wording would only repeat it. Every other string is mutated.
 */
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

/** Functions whose string arguments are labels. */
const LABELLED = new Set(['input', 'variable', 'constant', 'scalar', 'zeros', 'scoped']);

const isText = (path) => path.isStringLiteral() || path.isTemplateLiteral();

/** @returns {string | undefined} why the node is not mutated */
function reasonToIgnore(path) {
  if (path.isNewExpression() && /Error$/.test(path.node.callee.name ?? '')) return 'the message of an error';
  if (!isText(path)) return undefined;
  const { parentPath: parent } = path;
  if (parent?.isCallExpression() && LABELLED.has(parent.node.callee.name)) return 'the label of a tensor';
  if (parent?.isObjectProperty() && parent.node.key.name === 'name') return 'the name of an operation';
  return undefined;
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'texts', { shouldIgnore: reasonToIgnore }),
];
