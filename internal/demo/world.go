package demo

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
)

// institution is the name of the demo's one institution, in its database.
const institution = "demo"

const certificateHosts = 9

// issued is every key and certificate of a demo.
type issued struct {
	authorities   authorities
	server        tls.Certificate
	customers     pki.Trust
	partners      pki.Trust
	sealingKey    []byte
	identifierKey []byte
	partnerKey    []byte // seals what the partners keep
	signing       []jose.Key
}

// issue makes what is missing and reads the rest.
func (f folder) issue(w sandbox.World, now time.Time) (issued, error) {
	var i issued
	var err error
	for _, k := range []struct {
		file string
		into *[]byte
	}{{"sealing.key", &i.sealingKey}, {"identifiers.key", &i.identifierKey}, {"partners.key", &i.partnerKey}} {
		if *k.into, err = f.randomKey(k.file); err != nil {
			return issued{}, err
		}
	}
	if i.signing, err = f.signing(now); err != nil {
		return issued{}, err
	}
	if i.authorities, err = f.authorities(now); err != nil {
		return issued{}, err
	}
	if i.server, err = f.server(i.authorities.server, now); err != nil {
		return issued{}, err
	}
	if i.customers, err = f.customers(w, i.authorities, now); err != nil {
		return issued{}, err
	}
	i.partners, err = f.partners(i.authorities, now)
	return i, err
}

// settings are those of a server for one institution, with limits that nobody
// who tries things will meet.
func (d *demo) settings() config.File {
	in := config.DefaultInstitution()
	in.Name, in.Brand = institution, config.Path(d.folder.path(brandFolder))
	p := d.places
	site := func(name string, at int) config.Site {
		return config.Site{Origin: config.Origin(p.origin(name, at)), Listen: config.Address(p.address(at))}
	}
	in.Login, in.API = site("localhost", loginAt), site("localhost", apiAt)
	mutual := site("localhost", mutualTLSAt)
	in.MutualTLS = &mutual
	for n := range certificateHosts {
		in.Certificate.Origins = append(in.Certificate.Origins, config.Origin(p.origin(fmt.Sprintf("cert%d.localhost", n+1), certificateAt)))
	}
	in.Certificate.Listen = config.Address(p.address(certificateAt))
	in.SelfRegistration = true
	in.StrictTLSFor = 0 // localhost belongs to other projects too
	in.Limits = config.Limits{LoginsPerAddress: 1_000_000, RequestsPerPartner: 1_000_000}
	// All that is new on a first visit, with a few wrong passwords, does not ask
	// for the additional authentication; the core's own flag does.
	in.Rules.Risk = config.RiskRules{Used: true, AsksFrom: 100, NewDevice: 15, NewNetwork: 15, FirstPartner: 15, UnusualHour: 15,
		Hasty: 15, PerFailure: 5, Flagged: 100}

	in.Rules.SessionFor = d.cfg.SessionFor
	if d.cfg.IdleFor > 0 {
		in.Rules.IdleFor = d.cfg.IdleFor
	}

	f := config.Default()
	f.Database.URL = "sqlite:" + d.folder.path(storeFile)
	f.Database.Checkpoints = d.folder.path(logFile)
	if d.database != "" {
		f.Database.URL = d.database
	}
	f.Admin = config.Address(p.address(adminAt))
	f.StopWithin = stopWithin
	f.Institutions = []config.Institution{in}
	return f
}

func (d *demo) material() config.Material {
	return config.Material{
		SealingKeys: map[uint32][]byte{1: d.issued.sealingKey},
		Institutions: []config.InstitutionMaterial{{
			IdentifierKey: d.issued.identifierKey, TLS: []tls.Certificate{d.issued.server},
			CustomerCA: d.issued.customers, PartnerCA: &d.issued.partners, SigningKeys: d.issued.signing,
		}},
	}
}

var seedStates = map[sandbox.Seed]linkage.PINState{
	sandbox.SeedRegistered: linkage.Registered, sandbox.SeedPending: linkage.Pending, sandbox.SeedRejected: linkage.Rejected,
}

// seed puts the accounts' inquiry PINs into the states in which a demo begins,
// as registered by the first user of their company.
func (d *demo) seed(ctx context.Context) error {
	var seeds []linkage.SeedPIN
	for _, company := range d.world.Companies {
		for _, a := range company.Accounts {
			if state, ok := seedStates[a.Seed]; ok && len(company.Members) > 0 {
				seeds = append(seeds, linkage.SeedPIN{
					Account: a.ID, User: company.Members[0].User, PIN: corebank.InquiryPIN{Value: secret.Of(a.PIN)}, State: state,
				})
			}
		}
	}
	return d.app.Institutions[0].Linkage.SeedPINs(ctx, seeds)
}

// Settings returns what the demo in a data directory is made of, for commands
// that work on its data. Errors: fault.NotFound where there is none.
func Settings(dataFolder string, now time.Time) (config.File, config.Material, error) {
	d := &demo{folder: folder(dataFolder), world: sandbox.Fictional()}
	known, err := d.folder.note()
	if err != nil {
		return config.File{}, config.Material{}, err
	}
	d.places, d.database = places{host: "127.0.0.1", port: known.Port}, known.Database
	if d.issued, err = d.folder.issue(d.world, now); err != nil {
		return config.File{}, config.Material{}, err
	}
	return d.settings(), d.material(), nil
}
