// Asks for a token where the gateway has accounts, and says why it does.

import { html, useEffect, useRef, useState } from "/vendor/preact.js";
import { token } from "./session.js";
import { language, t } from "./text.js";
import { isToken, LONGEST } from "./tokens.js";

const WHY = { asked: "signInAsked", refused: "signInRefused", expired: "signInExpired", left: "signInLeft" };

/** In the place of the banner, while there is no token that is good; `gateway` is what `connect` returned. */
export function SignIn({ store, gateway }) {
  const { phase, needsToken, reason } = store.connection.value;
  const isShown = phase === "signedOut";
  const field = useRef(null);
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    // Whoever has been reading the page keeps the keyboard where it is.
    if (isShown && needsToken !== "expired") field.current?.focus();
  }, [isShown, needsToken]);
  if (!isShown) return null;
  const submitted = (event) => {
    event.preventDefault();
    const text = field.current.value;
    setWrong(!isToken(text));
    if (isToken(text)) gateway.signIn(text);
  };
  return html`<form class="signin" aria-label=${t("signIn")} onSubmit=${submitted} data-why=${needsToken}>
    <p role="alert">
      <strong>${t(WHY[needsToken])}</strong>
      ${language.value === "en" && reason && html`<span> · ${reason}</span>`}
    </p>
    <label for="token">${t("token")}</label>
    <input id="token" ref=${field} type="password" autocomplete="off" spellcheck=${false} maxlength=${LONGEST + 100} required
      aria-describedby="token-note" aria-invalid=${wrong} onInput=${() => setWrong(false)} />
    <button type="submit">${t("signIn")}</button>
    <p id="token-note" class="note">${t(wrong ? "notAToken" : "tokenNote")}</p>
  </form>`;
}

/** What the token is not good for: without it that part of the page would only be empty. */
export function Denied({ store }) {
  const { phase, denied } = store.connection.value;
  if (phase !== "live" || denied.length === 0) return null;
  return html`<p class="note denied" role="status">${t("denied")} <code lang="en">${denied.join(", ")}</code></p>`;
}

export function SignOut({ gateway }) {
  if (token.value === null) return null;
  return html`<button type="button" class="signout" onClick=${() => gateway.signOut()}>${t("signOut")}</button>`;
}
