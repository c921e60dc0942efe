// iam-simulate at the engine's requests: node iam_simulate.mjs RESULT PACKAGES REQUESTS ANSWER unsafe|validated
// Unsafe leaves out its checks of policies, actions, resources and context keys.
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [result, packages, given, answer, mode] = process.argv.slice(2)
const entry = `${packages}/@cloud-copilot/iam-simulate/dist/esm/index.js`
const { runSimulation, runUnsafeSimulation } = await import(pathToFileURL(entry).href)
const data = JSON.parse(readFileSync(given, 'utf8'))
const asked = data.requests.slice(data.requests.length / 2)

const named = (prefix, policies) => policies.map((policy, at) => ({ name: `${prefix}${at}`, policy }))
const roles = data.roles.map((role) => ({
  identityPolicies: named('identity', [...role.managed.map((arn) => data.managed[arn]), role.inline]),
  permissionBoundaryPolicies: role.boundary ? named('boundary', [data.managed[role.boundary]]) : undefined,
  serviceControlPolicies: data.scps[role.account].map((level, at) => ({
    orgIdentifier: `level${at}`,
    policies: named(`scp${at}-`, level),
  })),
  resourceControlPolicies: [],
}))
const simulation = ({ role, action, resource, account, context }) => ({
  ...roles[role],
  request: {
    principal: data.roles[role].arn,
    action,
    resource: { resource, accountId: account },
    contextVariables: context,
  },
})
const words = { Allowed: 'allowed', ExplicitlyDenied: 'explicitDeny', ImplicitlyDenied: 'implicitDeny' }
const decide = async (one) => {
  if (mode === 'unsafe') return words[runUnsafeSimulation(simulation(one), {})]
  const found = await runSimulation(simulation(one), {})
  if (found.resultType === 'error') return `refused: ${found.errors.message}`
  return words[found.overallResult] ?? found.overallResult
}

// Compiled by the engine, and with its data loaded, before it is measured.
for (const one of data.requests.slice(0, 500)) await decide(one)
const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()]
const said = []
for (const one of asked) said.push(await decide(one))
const [seconds, used] = [Number(process.hrtime.bigint() - began) / 1e9, process.cpuUsage(cpu)]

writeFileSync(answer, JSON.stringify(said))
const facts = { requests: said.length, refused: said.filter((one) => one?.startsWith('refused')).length }
writeFileSync(result, JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6, facts }))
