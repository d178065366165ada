// What the browser does itself: signing in and uploading go through the same routes as every other program.
window.fieldloom = {
  async refusal(answer) {
    try { return (await answer.json()).detail || answer.statusText } catch { return answer.statusText }
  },
  async signIn(event) {
    event.preventDefault();
    const form = event.target, error = form.querySelector('.fl-error');
    error.textContent = '';
    try {
      const answer = await fetch('/api/login', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({user: form.elements.user.value, password: form.elements.password.value})});
      if (answer.ok) { await answer.text(); location.reload(); } else error.textContent = await this.refusal(answer);
    } catch (reason) { error.textContent = String(reason) }
  },
  async signOut() { await fetch('/api/logout', {method: 'POST'}); location.reload() },
  async upload(event) {
    event.preventDefault();
    const form = event.target, error = form.querySelector('.fl-error'), file = form.elements.file.files[0];
    if (!file) return;
    error.textContent = '…';
    error.classList.remove('fl-done');
    error.classList.remove('fl-done');
    try {
      const answer = await fetch('/api/packages', {method: 'POST', body: file,
        headers: {'Content-Type': 'application/octet-stream'}});
      error.classList.toggle('fl-done', answer.ok);
      error.textContent = answer.ok ? '✓ ' + file.name : await this.refusal(answer);
      error.classList.toggle('fl-done', answer.ok);
      if (answer.ok) form.reset();
    } catch (reason) { error.textContent = String(reason) }
  },
  language(code) {
    document.cookie = 'fieldloom_language=' + code + ';path=/;max-age=31536000;samesite=strict';
    location.reload();
  },
};
