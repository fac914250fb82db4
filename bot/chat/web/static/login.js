// A link from another site opens the page without its cookie, which is SameSite=Strict, and so leads here. Requests from here
// send the cookie, so a person with a valid one continues at once.
const words = document.getElementById("words").textContent.trim();
if (!words) {
  const wanted = new URLSearchParams(location.search).get("to") ?? "/";
  const to = /^\/gates\/g\d{1,17}$/.test(wanted) ? wanted : "/";
  const response = await fetch(to, { redirect: "manual" }).catch(() => null);
  if (response?.ok) location.replace(to + location.hash);
}
