// node-opcua's server with the load nodes: prints {"url": …} when it listens, ends on SIGINT or SIGTERM.
// Arguments: number of variables, period in ms, folder for its certificates.
import { createServer } from "node:net";
import { join } from "node:path";
import certificates from "node-opcua-certificate-manager";
import nodesetFiles from "node-opcua-nodesets";
import servers from "node-opcua-server";
import statusCodes from "node-opcua-status-code";
import variants from "node-opcua-variant";

const [, , nodesText, periodText, folder] = process.argv;
const nodes = Number(nodesText), periodMs = Number(periodText);
const { DataType } = variants;

// The server takes no port 0 in all its parts: a free one is asked for first.
const port = await new Promise((resolve) => {
  const probe = createServer();
  probe.listen(0, "127.0.0.1", () => { const { port } = probe.address(); probe.close(() => resolve(port)); });
});
const manager = (name) => new certificates.OPCUACertificateManager({
  rootFolder: join(folder, name), automaticallyAcceptUnknownCertificate: true });
const server = new servers.OPCUAServer({
  host: "127.0.0.1", hostname: "127.0.0.1", port, resourcePath: "/bench",
  nodeset_filename: [nodesetFiles.nodesets.standard],
  serverCertificateManager: manager("pki"), userCertificateManager: manager("users"),
  securityModes: [1, 3],
  securityPolicies: ["http://opcfoundation.org/UA/SecurityPolicy#None", "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"],
  allowAnonymous: true, maxConnectionsPerEndpoint: 200, registerServerMethod: 1,
  serverCapabilities: { maxSessions: 200, maxSubscriptions: 200, maxSubscriptionsPerSession: 20 },
});
await server.initialize();
const space = server.engine.addressSpace;
const namespace = space.registerNamespace("urn:fieldloom:load");
const root = namespace.addFolder(space.rootFolder.objects, { browseName: "Load", nodeId: "i=1" });
const echo = namespace.addMethod(root, { nodeId: "i=5", browseName: "Echo",
  inputArguments: [{ name: "Value", dataType: DataType.Double }],
  outputArguments: [{ name: "Same", dataType: DataType.Double }] });
echo.bindMethod((inputs, _context, done) => done(null, { statusCode: statusCodes.StatusCodes.Good,
  outputArguments: [{ dataType: DataType.Double, value: inputs[0].value }] }));
const variables = [];
let parent;
for (let number = 0; number < nodes; number++) {
  if (number % 100 === 0) {
    parent = namespace.addFolder(root, { browseName: `Load${number / 100}`, nodeId: `i=${100 + number / 100}` });
  }
  const variable = namespace.addVariable({ componentOf: parent, browseName: `Value${number}`,
    nodeId: `i=${10000 + number}`, dataType: "Double", accessLevel: "CurrentRead | CurrentWrite",
    userAccessLevel: "CurrentRead | CurrentWrite" });
  variable.setValueFromSource({ dataType: DataType.Double, value: 0 });
  variables.push(variable);
}
await server.start();

// All nodes up by one every period, at even times; late rounds follow at once.
let due = performance.now(), value = 0, timer;
const round = () => {
  value += 1;
  const now = new Date();
  for (const variable of variables) {
    variable.setValueFromSource({ dataType: DataType.Double, value }, statusCodes.StatusCodes.Good, now);
  }
  next();
};
const next = () => {
  due += periodMs;
  timer = setTimeout(round, Math.max(0, due - performance.now()));
};
next();

const stop = async () => {
  clearTimeout(timer);
  await server.shutdown(0);
  process.exit(0);
};
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
console.log(JSON.stringify({ url: `opc.tcp://127.0.0.1:${port}/bench` }));
