package oauth

import "renkei.dev/internal/secret"

// bind returns what the access token of a token request is bound to: the key of
// its DPoP proof or its certificate, exactly as the client is registered
// (FAPI 2.0 SP §5.3.2.1 (4)). Nothing ever falls back to an unbound token.
func (e *Engine) bind(a authenticated, c Call) (Confirmation, []Replay, *Failure) {
	if a.DPoPBound {
		p, f := e.checkProof(c.Proofs, e.proofUseOf(c, a))
		if f != nil {
			return Confirmation{}, nil, f
		}
		return Confirmation{BoundByDPoP, p.thumbprint}, []Replay{p.replay}, nil
	}
	if len(c.Proofs) > 0 {
		return Confirmation{}, nil, badProof("the client's tokens are bound to certificates", nil)
	}
	if a.certificate == nil {
		return Confirmation{}, nil, fail(InvalidRequest, "a client certificate is needed at the mutual-TLS address")
	}
	return Confirmation{BoundByCertificate, certificateThumbprint(a.certificate)}, nil, nil
}

// claim is the cnf claim of what is bound (RFC 8705 §3.1; RFC 9449 §6.1).
func (c Confirmation) claim() map[string]string {
	if c.Method == BoundByDPoP {
		return map[string]string{"jkt": c.Thumbprint}
	}
	return map[string]string{"x5t#S256": c.Thumbprint}
}

// proofUseOf says where a proof of this call is shown: the address that was
// called, under whichever of our two origins.
func (e *Engine) proofUseOf(c Call, a authenticated) proofUse {
	target := e.issuer.At(c.Endpoint)
	if c.AtMutualTLS {
		target = e.issuer.AtMutualTLS(c.Endpoint)
	}
	return proofUse{server: authorizationServer, method: "POST", target: target, token: secret.Value{}, now: a.now}
}
