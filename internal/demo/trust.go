package demo

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/smallstep/truststore"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

// Trust makes this machine's browsers believe the demo's authority, which can
// certify nothing but localhost and loopback, and writes to out which stores
// took it. system says whether the system's own store is to take it too, which
// wants an administrator's rights.
func Trust(dataFolder string, system bool, out io.Writer) error {
	ca, err := authorityOf(dataFolder)
	if err != nil {
		return err
	}
	return inStores(ca, system, out, "now trusts the demo", truststore.Install)
}

// Untrust takes the demo's authority out of all stores again.
func Untrust(dataFolder string, system bool, out io.Writer) error {
	ca, err := authorityOf(dataFolder)
	if err != nil {
		return err
	}
	return inStores(ca, system, out, "no longer trusts the demo", truststore.Uninstall)
}

func authorityOf(dataFolder string) (*x509.Certificate, error) {
	path := folder(dataFolder).path(caFile)
	all, err := pki.LoadCertificates(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%s cannot be read: run `renkei demo` once first, or name its directory with --data", path)
	}
	if ca := all[0]; !pki.IsDemo(ca) || !ca.IsCA || !ca.PermittedDNSDomainsCritical {
		return nil, fault.New(fault.Refused, "%s is not a demo's authority, bound to this machine", path)
	}
	return all[0], nil
}

type storing func(*x509.Certificate, ...truststore.Option) error

func inStores(ca *x509.Certificate, system bool, out io.Writer, done string, do storing) error {
	var failed []error
	report := func(store string, err error) {
		if err != nil {
			failed = append(failed, fault.New(fault.Unavailable, "%s: %s", store, err))
			return
		}
		fmt.Fprintf(out, "%s %s\n", store, done)
	}
	nss, err := truststore.NewNSSTrust()
	switch {
	case errors.Is(err, truststore.ErrTrustNotSupported): // Windows: the browsers read the system's store
	case err != nil:
		fmt.Fprintf(out, "Firefox and Chromium keep certificates of their own, which certutil changes; it is not installed (%s)\n", truststore.CertutilInstallHelp)
	default:
		if err := chromiumStore(); err != nil {
			return err
		}
		for _, place := range firefoxProfiles() {
			truststore.NSSProfile = place.profiles
			if nss.PreCheck() == nil {
				report(place.name, do(ca, truststore.WithTrust(nss), truststore.WithNoSystem()))
			}
		}
	}
	if system {
		report("the system's store", do(ca))
	}
	return errors.Join(failed...)
}

// firefoxProfiles are where Firefox keeps its stores; Chromium's is looked at
// with each.
func firefoxProfiles() []struct{ name, profiles string } {
	home, err := os.UserHomeDir()
	if err != nil || runtime.GOOS != "linux" {
		return []struct{ name, profiles string }{{"the browsers' store", truststore.NSSProfile}}
	}
	all := []struct{ name, profiles string }{{"the store of Firefox and Chromium", filepath.Join(home, ".mozilla/firefox/*")}}
	for name, place := range map[string]string{
		"the store of Firefox as a snap":    "snap/firefox/common/.mozilla/firefox/*",
		"the store of Firefox as a flatpak": ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
	} {
		if found, err := filepath.Glob(filepath.Join(home, place)); err == nil && len(found) > 0 {
			all = append(all, struct{ name, profiles string }{name, filepath.Join(home, place)})
		}
	}
	return all
}

// chromiumStore makes the store that Chromium on Linux reads, where it has not
// been started yet.
func chromiumStore() error {
	home, err := os.UserHomeDir()
	if err != nil || runtime.GOOS != "linux" {
		return nil // only there it has one
	}
	store := filepath.Join(home, ".pki", "nssdb")
	if _, err := os.Stat(filepath.Join(store, "cert9.db")); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(store, 0o700); err != nil {
		return fault.New(fault.Unavailable, "%s cannot be made (%s)", store, short(err))
	}
	if text, err := exec.Command("certutil", "-N", "-d", "sql:"+store, "--empty-password").CombinedOutput(); err != nil {
		return fault.New(fault.Unavailable, "certutil cannot make %s: %s", store, text)
	}
	return nil
}
