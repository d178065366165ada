// An engineering day with node-opcua: lock, edit, apply, transfer, act, unlock, while others look on. Prints JSON lines.
// Its one argument is a JSON object: url, pki, engineer, operator, admin (each [user, password]), device.
import {
  AttributeIds, ClientSubscription, DataType, MessageSecurityMode, OPCUAClient, SecurityPolicy, TimestampsToReturn,
  UserTokenType, Variant, VariantArrayType, constructEventFilter, ofType, resolveNodeId,
} from "node-opcua-client";
import { OPCUACertificateManager } from "node-opcua-certificate-manager";

const given = JSON.parse(process.argv[2]);
const DI = "http://opcfoundation.org/UA/DI/", FDI5 = "http://fdi-cooperation.com/OPCUA/FDI5/", PLANT = "urn:fieldloom:plant";
const WAIT_MS = 30000;
const say = (step, facts) => process.stdout.write(JSON.stringify({ step, ...facts }) + "\n");
const code = (s) => (s ? s.name : "Good");
const fail = (text) => { throw new Error(text); };

const certificates = new OPCUACertificateManager({ rootFolder: given.pki, automaticallyAcceptUnknownCertificate: true });
await certificates.initialize();

async function enter([user, password]) {
  const client = OPCUAClient.create({
    applicationName: `FieldloomDay-${user}`, endpointMustExist: false, clientCertificateManager: certificates,
    securityMode: MessageSecurityMode.None, securityPolicy: SecurityPolicy.None,
    connectionStrategy: { maxRetry: 0, initialDelay: 100 }, requestedSessionTimeout: 60000,
  });
  await client.connect(given.url);
  const session = await client.createSession({ type: UserTokenType.UserName, userName: user, password });
  const subscription = ClientSubscription.create(session, { requestedPublishingInterval: 100,
    requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20, publishingEnabled: true, priority: 1 });
  await new Promise((resolve) => subscription.on("started", resolve));
  return { client, session, subscription };
}

const leave = async ({ client, session }) => { await session.close(); await client.disconnect(); };

const engineer = await enter(given.engineer);
const operator = await enter(given.operator);
const admin = await enter(given.admin);

const namespaces = (await engineer.session.read({ nodeId: "i=2255", attributeId: AttributeIds.Value })).value.value;
const index = (uri) => { const at = namespaces.indexOf(uri); return at < 0 ? fail(`no namespace ${uri}`) : at; };
const node = (path) => `ns=${index(PLANT)};s=${given.device}${path}`;
const method = (uri, number) => `ns=${index(uri)};i=${number}`;
const text = (value) => ({ dataType: DataType.String, value });
const int32 = (value) => ({ dataType: DataType.Int32, value });

async function call(who, path, uri, number, ...inputArguments) {
  const result = await who.session.call({ objectId: node(path), methodId: method(uri, number), inputArguments });
  return { status: code(result.statusCode), outputs: (result.outputArguments || []).map((v) => v.value) };
}

// Structures arrive as they are in the server's own description of its types.
await engineer.session.extractNamespaceDataType();

async function watch(who, nodeId, found = []) {
  const item = await who.subscription.monitor({ nodeId, attributeId: AttributeIds.Value },
    { samplingInterval: 0, queueSize: 100, discardOldest: true }, TimestampsToReturn.Both);
  item.on("changed", (v) => found.push([v.value.value, code(v.statusCode)]));
  return found;
}

async function until(what, look) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const found = look();
    if (found) return found;
    if (Date.now() > end) fail(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const read = async (who, nodeId) => {
  const v = await who.session.read({ nodeId, attributeId: AttributeIds.Value });
  return [v.value ? v.value.value : null, code(v.statusCode)];
};
const write = async (who, nodeId, value) => code(await who.session.write({ nodeId, attributeId: AttributeIds.Value,
  value: { value: new Variant({ dataType: DataType.Double, value }) } }));

// Whoever may see audit events sees the day in them.
const audited = [];
const fields = ["SourceNode", "ClientUserId", "MethodId", "Status"];
const events = await admin.subscription.monitor({ nodeId: "i=2253", attributeId: AttributeIds.EventNotifier },
  { samplingInterval: 0, queueSize: 1000, discardOldest: true,
    filter: constructEventFilter(fields, ofType(resolveNodeId("i=2127"))) }, TimestampsToReturn.Both);
events.on("changed", ([source, user, called, good]) => audited.push({ source: String(source.value), user: user.value,
  method: String(called.value), good: good.value }));

try {
  const parameter = (name) => node(`/ParameterSet/${name}`);
  const leading = await watch(engineer, parameter("threshold_overcurrent"));
  await until("the first value", () => leading.some(([value]) => typeof value === "number"));
  const before = leading[leading.length - 1][0];
  const wanted = before === 75 ? 80 : 75;

  say("lock", await call(engineer, "/Lock", DI, 6393, text("engineering day")));
  say("locked", { shown: await Promise.all(["Locked", "LockingUser"].map((name) => read(operator, node(`/Lock/${name}`)))),
    write: await write(operator, parameter("threshold_overcurrent"), 50),
    call: (await operator.session.call({ objectId: node("/MethodSet"), methodId: node("/MethodSet/Trip") })).statusCode.name,
    lock: (await call(operator, "/Lock", DI, 6393, text(""))).outputs });

  const context = (await call(engineer, "/EditContext", FDI5, 55, text(""), int32(1))).outputs;
  say("context", { status: context[1], named: context[0].length > 0 });
  const parameters = await Promise.all(["threshold_overcurrent", "threshold_ground_fault"].map((name) =>
    engineer.session.constructExtensionObject(resolveNodeId(method(FDI5, 37)), {
      path: { elements: [{ referenceTypeId: "i=0", isInverse: false, includeSubtypes: true,
        targetName: { namespaceIndex: 0, name: parameter(name) } }] },
      selectionFlags: 15 })));
  const registration = (await call(engineer, "/EditContext", FDI5, 58, text(context[0]),
    { dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array, value: parameters })).outputs[0];
  const [overcurrent, groundFault] = registration.registeredNodes;
  say("registered", { status: registration.status, nodes: registration.registeredNodes.map((one) => one.nodeStatus),
    device: String(overcurrent.onlineDeviceNodeId) });

  const edited = await watch(engineer, overcurrent.onlineContextNodeId);
  const dependent = await watch(engineer, groundFault.onlineContextNodeId);
  await until("the values of the context", () => edited.length && dependent.length);
  const first = [edited[0], dependent[0]];
  const wrote = await write(engineer, overcurrent.onlineContextNodeId, wanted);
  await until("the dependent value", () => dependent.length > 1);
  say("edited", { write: wrote, before: first, value: await read(engineer, overcurrent.onlineContextNodeId),
    dependent: dependent[dependent.length - 1], leading: await read(engineer, parameter("threshold_overcurrent")),
    others: (await read(operator, overcurrent.onlineContextNodeId))[1] });

  const applied = (await call(engineer, "/EditContext", FDI5, 64, text(context[0]))).outputs[0];
  await until("the device's confirmation", () => leading.some(([value]) => value === wanted));
  say("applied", { status: applied.status, incidents: (applied.transferIncidents || []).length, wanted,
    leading: await read(operator, parameter("threshold_overcurrent")),
    context: await read(engineer, overcurrent.onlineContextNodeId) });

  const [transfer, begun] = (await call(engineer, "/Transfer", DI, 6529)).outputs;
  const results = [];
  for (let sequence = 0, end = false; !end;) {
    const portion = (await call(engineer, "/Transfer", DI, 6531, int32(transfer), int32(sequence), int32(10),
      { dataType: DataType.Boolean, value: false })).outputs[0];
    if (portion.sequenceNumber !== sequence) {
      results.push(...(portion.parameterDefs || []).map((one) => [one.nodePath[1].name, code(one.statusCode)]));
    }
    sequence = portion.sequenceNumber;
    end = portion.endOfResults;
  }
  say("transferred", { status: begun, results });

  const [actionNode, invoked] = (await call(engineer, "/ActionSet", FDI5, 22, text("trip"), text(""))).outputs;
  const action = await watch(engineer, actionNode);
  const asked = (await until("the dialog", () => action.find(([xml]) => /State="WaitingForResponse"/.test(xml))))[0];
  const answer = '<AcknowledgementResponse xmlns="http://fdi-cooperation.com/2010/client"/>';
  const answered = (await call(engineer, "/ActionSet", FDI5, 25, { dataType: DataType.NodeId, value: actionNode },
    text(answer))).outputs;
  await until("the end of the Action", () => action.some(([xml]) => /State="(Completed|Failed|Aborted)"/.test(xml)));
  say("acted", { invoked, asked, answered, states: action.map(([xml]) => (/State="(\w+)"/.exec(xml || "") || [])[1]),
    breaker: await read(operator, parameter("status_breaker")) });

  say("unlock", await call(engineer, "/Lock", DI, 6398));
  const gone = await until("the end of the context", () => edited.find(([, status]) => status === "BadNodeIdUnknown"));
  say("unlocked", { context: gone[1], write: await write(operator, parameter("threshold_overcurrent"), before) });
  await until("the audit events", () => audited.some((one) => one.method === method(DI, 6398)));
  say("audited", { events: audited });
} finally {
  await Promise.all([engineer, operator, admin].map(leave));
}
