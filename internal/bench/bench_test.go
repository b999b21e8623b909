package bench

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestLatenciesAndCostsAreThoseOfTheOperations(t *testing.T) {
	var took []time.Duration
	for i := range 100 {
		took = append(took, time.Duration(100-i)*time.Millisecond)
	}
	r, err := resultOf(Push, took, 2*time.Second, usage{server: 300 * time.Millisecond, databases: 100 * time.Millisecond, self: time.Second, rss: 42})
	if err != nil {
		t.Fatal(err)
	}
	want := Result{Workload: Push, OpsPerSecond: 50, CPUMicros: 4000, P50Millis: 51, P99Millis: 100, RSSBytes: 42, ServerMicros: 3000, GeneratorCPU: 0.5, OperationsRun: 100}
	if r != want {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	if _, err := resultOf(Push, nil, time.Second, usage{}); err == nil {
		t.Error("a measurement without operations has a result")
	}
}

func TestAPageIsAnsweredAsACustomerWhoWantsTheLinkageWould(t *testing.T) {
	b := &browser{user: User{"hanako", "pw&1"}}
	for name, c := range map[string]struct {
		page, action, form string
	}{
		"login": {`<form action="/lang"><button>English</button></form>
			<form method="post" action="/link/1/login"><input type="hidden" name="press" value="a&amp;b"><input name="login_id" type="text" value="">
			<input name="password" type="password"><button class="main">API連携</button></form>`,
			"/link/1/login", "login_id=hanako&password=pw%261&press=a%26b"},
		"consent": {`<form method="post" action="allow"><input type="checkbox" name="accounts" value="1" checked><input type="checkbox" name="accounts" value="2">
			<input type="radio" name="renews" value="cns_1"><input type="radio" name="renews" value="add" checked>
			<input type="radio" name="intent" value="proceed"><input type="radio" name="intent" value="stop"><button class="main">許可</button></form>`,
			"allow", "accounts=1&intent=proceed&renews=cns_1"},
	} {
		action, form, ok := b.answer(c.page)
		if !ok || action != c.action || form.Encode() != c.form {
			t.Errorf("%s: %v %s %s", name, ok, action, form.Encode())
		}
	}
	if _, _, ok := b.answer(`<h1>終わり</h1>`); ok {
		t.Error("a page without a form was answered")
	}
}

func TestCookiesAreKeptForTheirHostAndPathUntilTheyAreTakenBack(t *testing.T) {
	b, at := &browser{}, &url.URL{Scheme: "https", Host: "bank.example", Path: "/link/1/login"}
	b.keep(at, http.Header{"Set-Cookie": {"a=1; Path=/", "b=2; Path=/link/1"}})
	b.keep(at, http.Header{"Set-Cookie": {"a=3; Path=/"}})
	for address, want := range map[string]string{
		"https://bank.example/link/1/consent": "b=2; a=3", "https://bank.example/": "a=3", "https://other.example/link/1": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.headers(http.MethodGet, u).Get("Cookie"); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	b.keep(at, http.Header{"Set-Cookie": {"a=; Path=/; Max-Age=0"}})
	if got := b.headers(http.MethodGet, &url.URL{Host: "bank.example", Path: "/"}).Get("Cookie"); got != "" {
		t.Errorf("after its end: %q", got)
	}
}

func TestTheCPUTimeOfAProcessAndItsChildrenIsCounted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc here")
	}
	before := usageOf(os.Getpid(), nil)
	busy := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	if err := busy.Run(); err != nil {
		t.Skip("no shell:", err)
	}
	used := usageOf(os.Getpid(), nil).since(before)
	if used.server < 10*time.Millisecond || used.rss == 0 {
		t.Errorf("a busy child: %v, %d bytes", used.server, used.rss)
	}
}
