// What is changed from the page: who may change anything, and the one way of asking for it.

/** Who looks; until the server has said so, somebody who may not act. */
export const visitor = { name: "", role: "viewer", may_act: false, why_not: "The console has not said yet who you are." };

/** Asks the server who looks; whether it had anything new to say. */
export async function meet() {
  const answer = await fetch("api/v1/me").catch(() => null);
  if (!answer?.ok) return false;
  const before = JSON.stringify(visitor);
  Object.assign(visitor, await answer.json());
  return JSON.stringify(visitor) !== before;
}

/** What was refused, and the kind of error as the part behind calls it. */
export class Refusal extends Error {
  constructor(kind, detail) {
    super(detail);
    this.kind = kind;
  }
}

/** The document that answers `method` on `path` under `api/v1/`; `Refusal` for anything but success. */
export async function act(method, path, body, type = "application/json") {
  const given = body === undefined ? {} : { headers: { "Content-Type": type }, body: typeof body === "string" ? body : JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(`api/v1/${path}`, { method, ...given });
  } catch (error) {
    throw new Refusal("no answer", `The console's server does not answer: ${error.message}`);
  }
  const text = await answer.text();
  const document = parsed(text);
  if (answer.ok) return { status: answer.status, document };
  const code = document?.type?.replace(/^urn:ricity:error:/, "") ?? document?.code;
  const kind = code && code !== "about:blank" ? code : (document?.code ?? document?.title ?? answer.statusText);
  throw new Refusal(`${kind.replaceAll("_", " ")}, ${answer.status}`, document?.detail ?? text.slice(0, 500));
}

/** A path under `api/v1/` of these parts. */
export function path(...parts) {
  return parts.map((each) => encodeURIComponent(each)).join("/");
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
