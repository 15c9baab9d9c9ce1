// Says what AsyncAPI's own parser has against a document: node check.mjs FILE. Warnings and errors make it fail.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const WARNING = 1; // of 0 to 3: error, warning, information, hint
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const found = diagnostics.filter(({ severity }) => severity <= WARNING);
for (const { code, path, message } of found) console.log(`${code} at ${path.join(".")}: ${message}`);
if (document === undefined || found.length > 0) process.exit(1);
