// Reads AsyncAPI documents with the official parser and prints what it finds, as JSON: a list for each document.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const told = [];
for (const source of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(await readFile(source, "utf8"), { source });
  told.push({
    diagnostics: diagnostics.map(({ code, severity, message, path }) => ({ code, severity, message, path: path.join("/") })),
    operations: document?.allOperations().all().map((one) => ({
      id: one.id(),
      action: one.action(),
      addresses: one.channels().all().map((channel) => channel.address()),
      messages: one.messages().all().map((message) => message.name()),
      fields: one.messages().all().flatMap((message) => Object.keys(message.payload().properties())),
    })),
  });
}
console.log(JSON.stringify(told));
