package demo

import (
	"embed"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/web"
	"renkei.dev/internal/web/look"
)

//go:embed pages/*.html
var startPages embed.FS

// startView is the start page: what to open, and as whom to log in.
type startView struct {
	look.Page
	TrustCommand []string
	Services     []look.Fact
	Users        []startUser
	Passphrase   string
	Manifest     string
	Registration []look.Fact // where and by what whoever tries the demo registers a client
	Monitoring   []look.Fact
	Calls, Tools []startCall
}

type startUser struct {
	Name, What, Company, Person string
	LoginID, Password, Answer   string
	Certificate                 string // address of the .p12 file; empty: none
	CertificateFile             string
	Accounts                    []startAccount
}

type startAccount struct{ Name, PIN string }

// openStart prepares the start page. It is plain HTTP on loopback, so that it
// can be read before the browser trusts the demo, and sets no cookies.
func (d *demo) openStart(listeners map[string]net.Listener) error {
	looks, err := look.New(os.DirFS(d.folder.path(brandFolder)))
	if err != nil {
		return fault.New(fault.Of(err), "the demo's brand in %s cannot be used (%s); mend it, or remove that folder", d.folder.path(brandFolder), err)
	}
	folder, err := fs.Sub(startPages, "pages")
	if err != nil {
		return fault.Wrap(fault.Internal, "open the start page", err)
	}
	pages, err := looks.Pages(folder)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+look.AssetPath, looks.Assets())
	mux.HandleFunc("GET /certificates/{file}", d.certificateFile)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if err := pages.Show(w, http.StatusOK, "start", d.startView(looks, r)); err != nil {
			d.cfg.Log.Error("start page", "error", err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	})
	port := strconv.Itoa(d.places.port + startAt)
	site := web.Site{Name: "start", Hosts: []string{"localhost:" + port, d.places.address(startAt)}, Log: d.cfg.Log}
	d.extra = append(d.extra, web.Listener{Name: "start", Net: listeners[d.places.address(startAt)], Handler: site.Wrap(mux)})
	return nil
}

func (d *demo) startView(looks *look.Look, r *http.Request) startView {
	v := startView{
		Page: looks.Page(r, "DEMO", "start.heading"), TrustCommand: append(command(), "demo", "trust", "--data", quoted(string(d.folder))),
		Passphrase: passphrase, Manifest: d.folder.path(manifestFile),
	}
	v.Registration = []look.Fact{
		{Name: v.T("start.registration_endpoint"), Value: d.places.origin("localhost", loginAt) + string(oauth.RegisterEndpoint)},
		{Name: v.T("start.initial_token"), Value: d.initialToken, Lines: []string{v.T("start.initial_token_file", "file", d.folder.path(initialTokenFile()))}},
	}
	v.Calls, v.Tools = v.calls(d), v.tools(d)
	for _, probe := range [][2]string{{"start.ready", "/readyz"}, {"start.live", "/livez"}, {"start.metrics", "/metrics"}} {
		at := d.places.admin() + probe[1]
		v.Monitoring = append(v.Monitoring, look.Fact{Name: v.T(probe[0]), Value: at, Link: at})
	}
	v.Alone, v.Wide = true, true
	for _, s := range suppliers {
		f := look.Fact{Name: v.nameOf(s), Value: s.url(d.places) + "/", Link: s.url(d.places) + "/", Lines: []string{v.T("start.fixed")}}
		if s.chooses {
			f.Lines = []string{v.T("start.chooses")}
		}
		v.Services = append(v.Services, f)
	}
	for _, company := range d.world.Companies {
		for _, m := range company.Members {
			v.Users = append(v.Users, v.user(company, m))
		}
	}
	return v
}

func (v startView) user(company sandbox.Company, m sandbox.Member) startUser {
	u := startUser{
		Name: string(m.LoginID), What: m.Case, Company: company.Name, Person: m.Name,
		LoginID: string(m.LoginID), Password: m.Password,
	}
	if m.Flagged {
		u.Answer = answerOf(m)
	}
	if !v.InJapanese() {
		u.What, u.Company = m.CaseEN, company.NameEN
	}
	if m.Certificate != sandbox.NoCertificate {
		u.CertificateFile = filepath.Base(p12Path(m))
		u.Certificate = "/certificates/" + u.CertificateFile
	}
	for _, a := range company.Accounts {
		u.Accounts = append(u.Accounts, startAccount{v.account(a.Account), a.PIN})
	}
	return u
}

// command is how this program is called by whoever reads the page: the binary
// that `go run` makes has no name to call it by.
func command() []string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "go-build") {
		return []string{"go", "run", "./cmd/renkei"}
	}
	return []string{"renkei"}
}

var typeWords = map[corebank.AccountType]string{
	corebank.Ordinary: "account.ordinary", corebank.Current: "account.current", corebank.Savings: "account.savings", corebank.Other: "account.other",
}

// account writes an account as the bank's pages do.
func (v startView) account(a corebank.Account) string {
	return v.T("account.line", "branch", a.BranchName, "code", a.BranchCode, "type", v.T(typeWords[a.Type]), "number", a.Number)
}

// certificateFile hands out a .p12 file of the world, and no other file.
func (d *demo) certificateFile(w http.ResponseWriter, r *http.Request) {
	for _, company := range d.world.Companies {
		for _, m := range company.Members {
			if m.Certificate != sandbox.NoCertificate && filepath.Base(p12Path(m)) == r.PathValue("file") {
				w.Header().Set("Content-Type", "application/x-pkcs12")
				http.ServeFile(w, r, d.folder.path(p12Path(m)))
				return
			}
		}
	}
	http.NotFound(w, r)
}
