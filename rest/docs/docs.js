"use strict";

// Requests go to where this page came from: another host is shut out by the page's policy.
function atHome(spec) {
  return { ...spec, servers: [{ url: window.location.origin }] };
}

// The service refuses changes from any origin but its public one.
function warnElsewhere(spec) {
  const home = new URL(spec.servers[0]["x-public-url"]).origin;
  if (home === window.location.origin) return;
  const note = document.getElementById("elsewhere");
  const link = document.createElement("a");
  link.href = home + window.location.pathname;
  link.textContent = link.href;
  note.append("Requests that change something are refused from here. They work at ", link, ".");
  note.hidden = false;
}

function show(spec) {
  warnElsewhere(spec);
  window.SwaggerUIBundle({
    spec: atHome(spec),
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "list",
    filter: true,
    displayRequestDuration: true,
    validatorUrl: null,
    // The cookie is the browser's to keep; scripts never see it.
    persistAuthorization: false,
  });
}

fetch("/api/openapi.json", { headers: { Accept: "application/json" } })
  .then((response) => {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  })
  .then(show)
  .catch((error) => {
    document.getElementById("docs").textContent = `The description could not be read: ${error.message}`;
  });
