// Validates a package signature with the JDK's own XML Signature: value, references and the Manifest's part digests.
// Only the relationships transform of ISO/IEC 29500-2 is added here, from its text, on the JDK's DOM.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.Provider;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.ZipFile;
import javax.xml.crypto.Data;
import javax.xml.crypto.OctetStreamData;
import javax.xml.crypto.URIDereferencer;
import javax.xml.crypto.XMLCryptoContext;
import javax.xml.crypto.XMLStructure;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.Manifest;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.TransformException;
import javax.xml.crypto.dsig.TransformService;
import javax.xml.crypto.dsig.XMLObject;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

public class VerifySignature {
    static Document parse(InputStream stream) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(stream);
    }

    public static class Relationships extends TransformService {
        private final Set<String> ids = new HashSet<>();

        @Override public void init(TransformParameterSpec spec) { }

        @Override public void init(XMLStructure parent, XMLCryptoContext context) {
            Node node = ((DOMStructure) parent).getNode();
            NodeList found = ((Element) node).getElementsByTagNameNS("*", "RelationshipReference");
            for (int index = 0; index < found.getLength(); index++) {
                ids.add(((Element) found.item(index)).getAttribute("SourceId"));
            }
        }

        @Override public java.security.spec.AlgorithmParameterSpec getParameterSpec() { return null; }

        @Override public void marshalParams(XMLStructure parent, XMLCryptoContext context) { }

        @Override public boolean isFeatureSupported(String feature) { return false; }

        @Override public Data transform(Data data, XMLCryptoContext context, OutputStream out) throws TransformException {
            return transform(data, context);
        }

        @Override public Data transform(Data data, XMLCryptoContext context) throws TransformException {
            try {
                Document document = parse(((OctetStreamData) data).getOctetStream());
                Element root = document.getDocumentElement();
                TreeMap<String, Element> kept = new TreeMap<>();
                while (root.getFirstChild() != null) {
                    Node child = root.getFirstChild();
                    if (child instanceof Element && ids.contains(((Element) child).getAttribute("Id"))) {
                        kept.put(((Element) child).getAttribute("Id"), (Element) child);
                    }
                    root.removeChild(child);
                }
                for (Element element : kept.values()) {
                    if (!element.hasAttribute("TargetMode")) {
                        element.setAttribute("TargetMode", "Internal");
                    }
                    root.appendChild(element);
                }
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                TransformerFactory.newInstance().newTransformer().transform(new DOMSource(document), new StreamResult(bytes));
                return new OctetStreamData(new ByteArrayInputStream(bytes.toByteArray()));
            } catch (Exception error) {
                throw new TransformException(error);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Provider provider = new Provider("Package", "1", "relationships transform") { };
        String uri = "http://schemas.openxmlformats.org/package/2006/RelationshipTransform";
        provider.put("TransformService." + uri, Relationships.class.getName());
        provider.put("TransformService." + uri + " MechanismType", "DOM");
        Security.addProvider(provider);
        X509Certificate certificate;
        try (FileInputStream stream = new FileInputStream(arguments[1])) {
            certificate = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(stream);
        }
        try (ZipFile archive = new ZipFile(new File(arguments[0]))) {
            Document document = parse(archive.getInputStream(archive.getEntry(arguments[2])));
            DOMValidateContext context = new DOMValidateContext(certificate.getPublicKey(), document.getDocumentElement());
            NodeList all = document.getElementsByTagName("*");
            for (int index = 0; index < all.getLength(); index++) {
                Element element = (Element) all.item(index);
                if (element.hasAttribute("Id")) {
                    context.setIdAttributeNS(element, null, "Id");
                }
            }
            XMLSignatureFactory factory = XMLSignatureFactory.getInstance("DOM");
            URIDereferencer usual = factory.getURIDereferencer();
            context.setURIDereferencer((reference, used) -> {
                String name = reference.getURI();
                if (!name.startsWith("/")) {
                    return usual.dereference(reference, used);
                }
                try {
                    String item = name.substring(1, name.indexOf('?'));
                    return new OctetStreamData(archive.getInputStream(archive.getEntry(item)));
                } catch (java.io.IOException error) {
                    throw new javax.xml.crypto.URIReferenceException(error);
                }
            });
            XMLSignature signature = factory.unmarshalXMLSignature(context);
            System.out.println("value " + signature.getSignatureValue().validate(context));
            for (Object reference : signature.getSignedInfo().getReferences()) {
                System.out.println(((Reference) reference).getURI() + " " + ((Reference) reference).validate(context));
            }
            for (Object object : signature.getObjects()) {
                for (Object content : ((XMLObject) object).getContent()) {
                    if (content instanceof Manifest) {
                        for (Object reference : ((Manifest) content).getReferences()) {
                            Reference part = (Reference) reference;
                            System.out.println(part.getURI().split("\\?")[0] + " " + part.validate(context));
                        }
                    }
                }
            }
        }
    }
}
